"""The process: its listeners, its signals, and how it shuts down (promise 14)."""

import asyncio
import contextlib
import errno
import os
import signal
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import TypeVar

import structlog
from aiohttp import web

from gateway.app import gateway
from gateway.drupal.reachable import why_unreachable
from gateway.settings import Settings
from gateway.web.http.client_ip import Addresses
from gateway.web.http.connection_limit import ConnectionLimit
from gateway.web.http.running import background
from gateway.web.http.server import Runner

T = TypeVar("T")

log = structlog.get_logger()

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class CantListen(Exception):
    """A listener can't have its address. *key* is the setting to change, *sentence* says why, without a key's value."""

    def __init__(self, key: str, sentence: str) -> None:
        super().__init__(f"{key}: {sentence}")
        self.key = key
        self.sentence = sentence


async def serve(settings: Settings, *, ready: Callable[[], None] = lambda: None) -> None:
    """Answer on both listeners until SIGTERM or SIGINT, then shut down gently."""
    stop = asyncio.Event()
    for number in STOP_SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with (
        gateway(settings) as opened,
        bound(
            listening(opened.admin, settings.admin.host, settings.admin.port, seconds=1),
            keys=("admin.host", "admin.port"),
        ),
        bound(
            listening(
                opened.headless,
                settings.listen.host,
                settings.listen.port,
                seconds=settings.shutdown_seconds,
                connection_limit=connection_limit(settings),
            ),
            keys=("listen.host", "listen.port"),
        ),
        background(warn(settings)),
    ):
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


async def warn(settings: Settings) -> None:
    """Log what is risky about the configuration, and whether nobody answers at Drupal's address."""
    for key, why in settings.warnings():
        log.warning("configuration.warning", key=key, why=why)
    if reason := await why_unreachable(settings.drupal.url, seconds=settings.drupal.connect_seconds):
        log.warning("drupal.unreachable", reason=reason, key="drupal.url")


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
async def bound(listener: AbstractAsyncContextManager[T], *, keys: tuple[str, str]) -> AsyncGenerator[T]:
    """Open *listener*, whose host and port are configured by *keys*. Raises CantListen if it can't have them."""
    async with AsyncExitStack() as stack:
        try:
            opened = await stack.enter_async_context(listener)
        except OSError as error:
            raise cant_listen(error, *keys) from error
        yield opened


def cant_listen(error: OSError, host_key: str, port_key: str) -> CantListen:
    """Say which of the two keys to change."""
    # A name without an address is a gaierror, whose numbers are not those of errno.
    if isinstance(error, socket.gaierror):
        return CantListen(host_key, "this name has no address")
    match error.errno:
        case errno.EADDRINUSE:
            return CantListen(port_key, "another process listens on this port; choose another port")
        case errno.EACCES:
            return CantListen(port_key, "this user may not listen on this port; choose one from 1024 on")
        case errno.EADDRNOTAVAIL:
            return CantListen(host_key, "this machine does not have this address")
        case other:
            return CantListen(host_key, os.strerror(other) if other else "can't be listened on")


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
