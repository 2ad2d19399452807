"""The process: its listeners, its signals, and how it shuts down (promise 14)."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import structlog
from aiohttp import web

from gateway.app import gateway
from gateway.settings import Settings
from gateway.web.http.client_ip import Addresses
from gateway.web.http.connections import ConnectionLimit
from gateway.web.http.server import Runner

log = structlog.get_logger()

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


async def serve(settings: Settings, *, ready: Callable[[], None] = lambda: None) -> None:
    """Answer on both listeners until SIGTERM or SIGINT, then shut down gently."""
    stop = asyncio.Event()
    for number in STOP_SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with (
        gateway(settings) as opened,
        listening(opened.admin, settings.admin.host, settings.admin.port, seconds=1),
        listening(
            opened.headless,
            settings.listen.host,
            settings.listen.port,
            seconds=settings.shutdown_seconds,
            connection_limit=connection_limit(settings),
        ),
    ):
        for key, why in settings.warnings():
            log.warning("configuration.warning", key=key, why=why)
        log.info("serve.started", port=settings.listen.port, admin_port=settings.admin.port)
        ready()
        await stop.wait()
        opened.running.stopping = True
        log.info("serve.stopping")
        await drained(stop, settings.drain_seconds)
        opened.running.stop(within_seconds=settings.shutdown_seconds)
    log.info("serve.stopped")
    for number in STOP_SIGNALS:
        # Removing the handler restores the default, which kills. A second signal must not change the exit status.
        asyncio.get_running_loop().remove_signal_handler(number)
        signal.signal(number, signal.SIG_IGN)


async def drained(stop: asyncio.Event, seconds: float) -> None:
    """Wait until load balancers have seen that we are not ready, for *seconds*. Another signal ends the wait."""
    stop.clear()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


def connection_limit(settings: Settings) -> ConnectionLimit:
    """Return the limit on connections of the listener that visitors reach."""
    return ConnectionLimit(
        most=settings.listen.max_connections,
        most_per_address=settings.listen.max_connections_per_address,
        addresses=Addresses(settings.trusted_proxies),
    )


@asynccontextmanager
async def listening(
    app: web.Application, host: str, port: int, *, seconds: float, connection_limit: ConnectionLimit | None = None
) -> AsyncGenerator[int]:
    """Serve *app* and yield the port. Closing lets requests in flight finish, for up to *seconds*."""
    runner = Runner(app, shutdown_seconds=seconds, connection_limit=connection_limit)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, backlog=1024)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
