"""The promise of the hop from the proxy to Drupal: one request there, one answer back, nothing kept in memory.

Headers are pairs in their order, with their case. Each character stands for one byte (latin-1), so no byte is lost.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeAlias

Headers: TypeAlias = Sequence[tuple[str, str]]


class Body(Protocol):
    """The body of a request. *chunked* says that its length is not known; else the headers have it."""

    chunked: bool

    def invite(self) -> None:
        """Tell the visitor that the body is wanted: Drupal has answered `100 Continue`."""
        ...

    async def read(self) -> bytes:
        """Return the next piece; empty at the end. Raises any error if the body does not come to its end."""
        ...


class Answer(Protocol):
    """An answer that can be read once."""

    status: int
    reason: str
    headers: Headers

    def read_nowait(self) -> bytes:
        """Return what has already come and was not read; may be empty."""
        ...

    async def read(self) -> bytes:
        """Return the next piece of the body as it comes; empty at the end. Drupal waits while nobody reads.

        Raises DrupalTimeout or DrupalInvalid if the answer does not come to its end.
        """
        ...


class UpstreamAnswer(Answer, Protocol):
    """One answer of Drupal's, whose body has not been read. Interim answers (1xx) are never told, except 101."""

    @property
    def upgraded(self) -> bool:
        """Whether this is a 101: from now on the connection carries bytes both ways, by `read` and `write`."""
        ...

    async def write(self, data: bytes) -> None:
        """Send *data* on an upgraded connection. Waits while Drupal does not read."""
        ...


class Upstream(Protocol):
    """Sends the proxy's requests to Drupal, over connections of its own."""

    def send(
        self, method: str, target: str, headers: Headers, body: Body | None, *, address: str
    ) -> AbstractAsyncContextManager[UpstreamAnswer]:
        """Send one request and yield its answer as soon as its head has come. Leaving the context ends the request.

        *target* is sent byte for byte, and so are *headers*. Before them come ours: Host, X-Forwarded-Proto, and
        X-Forwarded-For with the visitor's canonical *address*. A request without a body whose method is idempotent is
        sent once more if a kept connection turns out to be dead; nothing else is sent twice.

        Raises DrupalBusy, DrupalUnavailable, DrupalTimeout, DrupalInvalid, or what *body* raised.
        """
        ...
