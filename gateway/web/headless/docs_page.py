"""Serves the page that shows the OpenAPI document: `/headless/docs`."""

from pathlib import Path

from aiohttp import web

PAGES = Path(__file__).parent / "pages"
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
POLICY = "default-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


async def docs(request: web.Request) -> web.Response:
    """Answer with the page, or with a file that it loads."""
    path = PAGES / request.match_info.get("name", "docs.html")
    # The path is looked up in the list of files: to open a name that is too long would raise an error.
    if path.suffix not in TYPES or path not in PAGES.iterdir():
        raise web.HTTPNotFound
    return web.Response(
        text=path.read_text(encoding="utf-8"),
        content_type=TYPES[path.suffix],
        charset="utf-8",
        headers={
            "X-Answered-By": "headgate",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
            "Content-Security-Policy": POLICY,
        },
    )
