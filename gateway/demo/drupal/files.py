"""Files that nginx serves itself, image styles, and the short 404 of missing files.

The 404s are measured, Drupal 10.6/11.4; ranges and validators are those of nginx's documentation.
"""

import hashlib
import re
from http import HTTPStatus
from mimetypes import guess_type

from aiohttp import web

from gateway.demo.drupal.nginx import error_page
from gateway.demo.drupal.routing import READS, Handler, not_found, only
from gateway.demo.drupal.site import Site
from gateway.demo.drupal.visit import Visit

MODIFIED = "Tue, 24 Nov 2026 10:00:00 GMT"
# system.performance: paths of files, which get a 404 without a theme, and so without blocks.
FAST_404 = re.compile(r"\.(?:txt|png|gif|jpe?g|css|js|ico|swf|flv|cgi|bat|pl|dll|exe|asp)$")
RANGE = re.compile(r"bytes=(\d*)-(\d*)")
STYLES = "/sites/default/files/styles/"
NOT_FOUND = "<!DOCTYPE html><html><head><title>404 Not Found</title></head><body><h1>Not Found</h1></body></html>"


def serve(request: web.Request, site: Site, path: str) -> web.Response | None:
    """Return the file at *path*, or None if nginx passes the request on to PHP."""
    content = site.options.files.get(path, site.derivatives.get(path))
    if content is None:
        return None
    if request.method not in READS:
        return error_page(HTTPStatus.METHOD_NOT_ALLOWED)
    tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
    headers = {
        "ETag": tag,
        "Last-Modified": MODIFIED,
        "Accept-Ranges": "bytes",
        "Server": "nginx",
        "Content-Type": guess_type(path)[0] or "application/octet-stream",
    }
    if request.headers.get("If-None-Match") == tag or request.headers.get("If-Modified-Since") == MODIFIED:
        return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
    return _part(request, content, headers)


def find(visit: Visit) -> Handler | None:
    """Return the handler of an image style's derivative, or of a file that does not exist."""
    if visit.path.startswith(STYLES):
        return only(visit, READS | {"POST"}, derive)
    return fast_404 if FAST_404.search(visit.path) else None


async def derive(visit: Visit) -> web.Response:
    """Make the derivative of an image, which nginx serves from then on; the address carries the right token."""
    style, _, source = visit.written.removeprefix(STYLES).partition("/public/")
    content = visit.site.options.files.get(f"/sites/default/files/{source}")
    if content is None or visit.query.get("itok") != style_token(style, source):
        raise not_found(visit)
    visit.site.derivatives[visit.written] = content
    return visit.answer_with(content, guess_type(source)[0] or "image/png")


def style_token(style: str, source: str) -> str:
    """Return the token of a derivative's address."""
    return hashlib.sha256(f"{style}:{source}".encode()).hexdigest()[:8]


async def fast_404(visit: Visit) -> web.Response:
    return visit.answer_with(NOT_FOUND, "text/html; charset=utf-8", HTTPStatus.NOT_FOUND)


def _part(request: web.Request, content: bytes, headers: dict[str, str]) -> web.Response:
    found = RANGE.fullmatch(request.headers.get("Range", ""))
    if found is None or not (found[1] or found[2]):
        return web.Response(body=content, headers=headers)
    start = int(found[1]) if found[1] else max(0, len(content) - int(found[2]))
    end = min(int(found[2]), len(content) - 1) if found[1] and found[2] else len(content) - 1
    if start > end:
        headers["Content-Range"] = f"bytes */{len(content)}"
        return web.Response(status=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, headers=headers)
    headers["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
    return web.Response(status=HTTPStatus.PARTIAL_CONTENT, body=content[start : end + 1], headers=headers)
