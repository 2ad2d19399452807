"""What an operator's nginx does, for tests: ends TLS at one host name and shares its paths out."""

import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host", "x-forwarded-for"}


@asynccontextmanager
async def https_front(routes: dict[str, str], *, tls: ssl.SSLContext) -> AsyncGenerator[int]:
    """Serve https and send each path to the backend of its longest prefix in *routes*; yields the port."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False) as http:

        async def relay(request: web.Request) -> web.Response:
            prefix = max((known for known in routes if request.path.startswith(known)), key=len)
            headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP}
            headers |= {"Host": request.host, "X-Forwarded-For": request.remote, "X-Forwarded-Proto": "https"}
            async with http.request(
                request.method,
                routes[prefix] + request.raw_path,
                headers=headers,
                data=await request.read(),
                allow_redirects=False,
            ) as answer:
                response = web.Response(status=answer.status, body=await answer.read())
                for name, value in answer.headers.items():
                    if name.lower() not in HOP_BY_HOP | {"content-type"}:
                        response.headers.add(name, value)
                response.headers["Content-Type"] = answer.headers.get("Content-Type", "text/plain")
                return response

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", relay)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
            await site.start()
            yield runner.addresses[0][1]
        finally:
            await runner.cleanup()
