"""Adds the proxy to an application: everything that is not under `/headless`."""

from typing import Final

from aiohttp import web

from gateway.web.site.proxy import Proxy

# Matched against the decoded path, so `/%68eadless` is the API's, too. A line break can stand in it.
OUTSIDE_API: Final = r"/{path:(?!headless(?:/|$))(?s:.*)}"


def serve_site(app: web.Application, proxy: Proxy) -> None:
    """Serve Drupal at every path that the application has no endpoint for."""
    app.router.add_route("*", OUTSIDE_API, proxy.handle, expect_handler=leave_to_drupal)


async def leave_to_drupal(_request: web.Request) -> None:
    """Write no `100 Continue`: the visitor gets Drupal's."""
