"""Pages of the system module and its neighbours, most of them for administrators.

What they refuse, and with which status, is measured, Drupal 10.6/11.4.
"""

from http import HTTPStatus

from aiohttp import web

from gateway.demo.drupal.login_form import destination
from gateway.demo.drupal.routing import READS_AND_POST, Handler, is_administrator, not_found, only
from gateway.demo.drupal.visit import ONLY_HTML, RefusedError, Visit

TITLES = {"401": "Log in to access this page", "403": "Access denied", "404": "Page not found"}
ADMINISTRATIVE = frozenset({"", "config", "content", "people", "people/create", "modules", "reports", "structure"})


def find(visit: Visit) -> Handler | None:  # noqa: PLR0911 - one per page
    """Return the handler of a page of the system, if the path is one."""
    match visit.segments:
        case ["system", status] if status in TITLES:
            return only(visit, READS_AND_POST, error_page)
        case ["admin", *rest] if "/".join(rest) in ADMINISTRATIVE:
            return only(visit, READS_AND_POST, administration)
        case ["cron", _]:
            return only(visit, READS_AND_POST, cron)
        case ["batch"]:
            return only(visit, READS_AND_POST, batch)
        case ["history", _, "read"] if visit.site.has("history"):
            return only(visit, READS_AND_POST, refuse)
        case ["views", "ajax"] if visit.site.has("views"):
            return only(visit, READS_AND_POST, refuse)
        case ["machine_name", "transliterate"] if visit.site.has("menu_ui"):
            return only(visit, READS_AND_POST, transliterate)
        case ["big_pipe", "no-js"] if visit.site.has("big_pipe"):
            return only(visit, READS_AND_POST, without_script)
        case _:
            return None


async def error_page(visit: Visit) -> web.Response:
    """Show an error page as the page that it is: 200."""
    return visit.html(TITLES[visit.segments[1]], "")


async def administration(visit: Visit) -> web.Response:
    """Show a page to administrators. Measured: 403 comes before 406."""
    if not is_administrator(visit):
        raise RefusedError(HTTPStatus.FORBIDDEN, "")
    if visit.format != "html":
        raise RefusedError(HTTPStatus.NOT_ACCEPTABLE, ONLY_HTML)
    return visit.html("Administration", "")


async def cron(visit: Visit) -> web.Response:
    """Run cron for the key in the path: 204, without an account."""
    if visit.written.rpartition("/")[2] != visit.site.options.cron_key:
        raise RefusedError(HTTPStatus.FORBIDDEN, "")
    visit.site.cron_runs += 1
    return visit.empty(HTTPStatus.NO_CONTENT)


async def batch(visit: Visit) -> web.Response:
    """Refuse a request without a batch (measured: 404 for an unknown one)."""
    raise RefusedError(HTTPStatus.NOT_FOUND if "id" in visit.query else HTTPStatus.FORBIDDEN, "")


async def refuse(visit: Visit) -> web.Response:
    """Refuse everybody: what this route does is not simulated."""
    if visit.segments == ["views", "ajax"]:
        raise not_found(visit)
    raise RefusedError(HTTPStatus.FORBIDDEN, "")


async def transliterate(visit: Visit) -> web.Response:
    return visit.json(visit.query.get("text", ""))


async def without_script(visit: Visit) -> web.Response:
    """Set the cookie of a browser without JavaScript; BigPipe then sends whole pages."""
    location = destination(visit)
    if location is None:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "The original location is missing.")
    answer = visit.redirect(location)
    answer.headers.add("Set-Cookie", "big_pipe_nojs=1; path=/")
    return answer
