"""Counts round trips to a server, standing between: whatever leaves together before an answer comes is one."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager


class Relay:
    def __init__(self) -> None:
        self.trips = 0
        # Those of a courier that waits for work, on a connection of its own: no answer waits for them.
        self.waits = 0
        self.url = ""

    @classmethod
    @asynccontextmanager
    async def to(cls, port: int) -> AsyncGenerator["Relay"]:
        relay = cls()

        def accept() -> Side:
            return Side(relay, port)

        server = await asyncio.get_running_loop().create_server(accept, "127.0.0.1", 0)
        relay.url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
        try:
            yield relay
        finally:
            server.close()


class Side(asyncio.Protocol):
    """One connection's way there, which opens its way back."""

    def __init__(self, relay: Relay, port: int) -> None:
        self.relay = relay
        self.port = port
        self.asking = False
        self.early: list[bytes] = []
        self.there: asyncio.WriteTransport | None = None

    def connection_made(self, transport):
        self.here = transport
        self.opening = asyncio.get_running_loop().create_task(self.open())

    async def open(self) -> None:
        self.there, _ = await asyncio.get_running_loop().create_connection(lambda: Back(self), "127.0.0.1", self.port)
        self.there.write(b"".join(self.early))

    def data_received(self, data):
        if not self.asking and b"XREADGROUP" in data:
            self.relay.waits += 1
        elif not self.asking:
            self.relay.trips += 1
        self.asking = True
        if self.there:
            self.there.write(data)
        else:
            self.early.append(data)

    def connection_lost(self, _error):
        if self.there:
            self.there.close()


class Back(asyncio.Protocol):
    def __init__(self, side: Side) -> None:
        self.side = side

    def data_received(self, data):
        self.side.asking = False
        self.side.here.write(data)

    def connection_lost(self, _error):
        self.side.here.close()
