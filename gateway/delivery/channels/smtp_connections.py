"""The SMTP connections that are open and not in use."""

import asyncio
import socket
import struct
from contextlib import suppress
from typing import cast

from aiosmtplib import SMTP, SMTPException

# How long the exit waits for a server to answer QUIT.
QUIT_SECONDS = 1.0
# SO_LINGER with a time of 0: close() resets the connection.
RESET = struct.pack("ii", 1, 0)


class Connections:
    """A stack: the connection that was used last is used next. Each is closed after *idle_seconds*."""

    def __init__(self, *, idle_seconds: float) -> None:
        self._idle_seconds = idle_seconds
        self._idle: list[tuple[float, SMTP]] = []
        self._sweep: asyncio.TimerHandle | None = None

    def keep(self, smtp: SMTP) -> None:
        """Keep *smtp*, which must be between two mails."""
        if not smtp.is_connected:
            return
        loop = asyncio.get_running_loop()
        self._idle.append((loop.time(), smtp))
        if self._sweep is None:
            self._sweep = loop.call_later(self._idle_seconds, self._drop_old)

    def take(self) -> SMTP | None:
        """Take the connection that was used last; None when no kept one is alive."""
        while self._idle:
            since, smtp = self._idle.pop()
            if smtp.is_connected:
                if asyncio.get_running_loop().time() - since < self._idle_seconds:
                    return smtp
                _quit_without_waiting(smtp)
        return None

    async def close(self) -> None:
        """Say QUIT on all connections and close them."""
        if self._sweep is not None:
            self._sweep.cancel()
        idle, self._idle = self._idle, []
        await asyncio.gather(*(_quit(smtp) for _, smtp in idle))

    def _drop_old(self) -> None:
        self._sweep = None
        loop = asyncio.get_running_loop()
        oldest = loop.time() - self._idle_seconds
        for since, smtp in self._idle:
            if since <= oldest and smtp.is_connected:
                _quit_without_waiting(smtp)
        self._idle = [(since, smtp) for since, smtp in self._idle if since > oldest and smtp.is_connected]
        if self._idle:
            self._sweep = loop.call_at(self._idle[0][0] + self._idle_seconds, self._drop_old)


def drop(smtp: SMTP) -> None:
    """Reset the connection. Bytes that have not left this machine are thrown away."""
    # A cast: uvloop's transports are no subclasses of asyncio's.
    transport = cast("asyncio.Transport | None", smtp.transport)
    if transport is not None:
        sock = transport.get_extra_info("socket")
        if sock is not None:
            # Otherwise the kernel would still send a slow server the end of a mail that was given up.
            with suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        transport.abort()
    smtp.close()


async def _quit(smtp: SMTP) -> None:
    with suppress(SMTPException, OSError, TimeoutError):
        await smtp.quit(timeout=QUIT_SECONDS)
    smtp.close()


def _quit_without_waiting(smtp: SMTP) -> None:
    transport = cast("asyncio.Transport | None", smtp.transport)
    if transport is not None:
        transport.write(b"QUIT\r\n")
    smtp.close()
