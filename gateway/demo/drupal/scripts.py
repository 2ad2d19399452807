"""PHP files beside index.php: update.php, authorize.php, install.php, rebuild.php. Measured, Drupal 10.6/11.4.

They render with the maintenance theme: none of their pages has a block. update.php and authorize.php take Basic.
"""

import re
from http import HTTPStatus

from aiohttp import web

from gateway.demo.drupal.routing import Handler, is_administrator
from gateway.demo.drupal.visit import Visit

SCRIPT = re.compile(r"/(?:update\.php(?:/|$)|core/\w+\.php$)")
UPDATE = ("", "/info", "/selection", "/results")


def find(visit: Visit) -> Handler | None:
    """Return the handler of a script, if nginx passes scripts on and the path is one."""
    if not visit.site.options.scripts:
        return None
    if visit.path == "/update.php" or visit.path.startswith("/update.php/"):
        return update
    return {"/core/authorize.php": authorize, "/core/install.php": install, "/autoload.php": autoload}.get(visit.path)


async def update(visit: Visit) -> web.Response:
    """Show the update pages to administrators, also to those of a Basic header; the selection keeps a session."""
    below = visit.path.removeprefix("/update.php")
    if not is_administrator(visit):
        return _page(visit, "Access denied", HTTPStatus.FORBIDDEN)
    if below not in UPDATE:
        return _page(visit, "Error", HTTPStatus.INTERNAL_SERVER_ERROR)
    if below == "/selection":
        visit.remember("updates", [])
    return _page(visit, "Drupal database update")


async def authorize(visit: Visit) -> web.Response:
    if not is_administrator(visit):
        return _page(visit, "Access denied", HTTPStatus.FORBIDDEN)
    return _page(visit, "Authorize file system changes")


async def install(visit: Visit) -> web.Response:
    return _page(visit, "Drupal already installed")


async def autoload(visit: Visit) -> web.Response:
    """Answer with nothing: the file only defines classes."""
    return visit.empty(HTTPStatus.OK, "text/html; charset=UTF-8")


def refuse_without_drupal(path: str, *, passed_on: bool) -> HTTPStatus | None:
    """Return the status of a script that does not reach Drupal, or None.

    Measured: php-fpm fails at rebuild.php; where nginx does not pass scripts on to PHP, they are 404.
    """
    if not SCRIPT.match(path):
        return None
    if not passed_on:
        return HTTPStatus.NOT_FOUND
    return HTTPStatus.BAD_GATEWAY if path == "/core/rebuild.php" else None


def _page(visit: Visit, title: str, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    answer = visit.html(title, "", status)
    visit.is_page = False
    return answer


TAKE_BASIC: tuple[Handler, ...] = (update, authorize)
