"""BigPipe: a page for a visitor with a session is sent in pieces as they are rendered.

As in core's big_pipe module: the page with placeholders first, then each placeholder's content, each flushed at once;
the session is saved after the last one, when the headers are long gone.
"""

import asyncio
from http import HTTPStatus

from aiohttp import web

from gateway.demo.drupal.site import Site
from gateway.demo.drupal.visit import Visit

PLACEHOLDER = '<span data-big-pipe-placeholder-id="account-menu"></span>'
PIECES = (
    '<script type="application/vnd.drupal-ajax" data-big-pipe-event="start"></script>\n',
    '<script data-big-pipe-replacement-for-placeholder-with-id="account-menu">[{{"data":"{name}"}}]</script>\n',
    '<script type="application/vnd.drupal-ajax" data-big-pipe-event="stop"></script>\n',
)
HEADERS = {"X-Accel-Buffering": "no", "Surrogate-Control": 'no-store, content="BigPipe/1.0"'}
END = b"</body>"


def applies_to(visit: Visit, answer: web.StreamResponse) -> bool:
    """Whether *answer* is a page that BigPipe sends in pieces."""
    if not (visit.site.has("big_pipe") and visit.is_page and visit.session is not None):
        return False
    return (
        answer.status == HTTPStatus.OK
        and visit.method == "GET"
        and "big_pipe_nojs=1" not in visit.headers.get("cookie", "")
    )


async def send(visit: Visit, answer: web.Response, site: Site) -> web.StreamResponse:
    """Send *answer* in pieces, and save the session after them."""
    body = answer.body if isinstance(answer.body, bytes) else b""
    visit.add_cookies(answer)
    page, end, rest = body.rpartition(END)
    streamed = web.StreamResponse(status=answer.status, headers={**HEADERS})
    for name, value in answer.headers.items():
        if name not in ("Content-Length"):
            streamed.headers.add(name, value)
    streamed.enable_chunked_encoding()
    await streamed.prepare(visit.request)
    await streamed.write(page + PLACEHOLDER.encode())
    for piece in PIECES:
        await asyncio.sleep(site.options.big_pipe_seconds)
        await streamed.write(piece.format(name=visit.account.name if visit.account else "").encode())
    await streamed.write(end + rest)
    await streamed.write_eof()
    visit.remember("big_pipe_saved", site.now())
    return streamed
