"""An answer that is held until it is known whose session it opened.

Drupal may save a session after the body's last byte (BigPipe does), so the whole answer is read first.
"""

from dataclasses import dataclass, field

from gateway.interfaces.upstream import Headers, UpstreamAnswer

# A page has some hundred kB. A login answers with far less.
MOST_BYTES = 1 << 20


@dataclass(kw_only=True, slots=True)
class Spooled:
    """An answer whose body has been read: `upstream.Answer`."""

    status: int
    reason: str
    headers: Headers = field(repr=False)
    body: bytes = field(repr=False)

    def read_nowait(self) -> bytes:
        """Return the whole body, once."""
        body, self.body = self.body, b""
        return body

    async def read(self) -> bytes:
        return self.read_nowait()


async def spooled(answer: UpstreamAnswer) -> Spooled | None:
    """Read *answer* to its end; None if it is too large, or is a 101, which opens a tunnel."""
    if answer.upgraded:
        return None
    body = bytearray()
    while piece := await answer.read():
        body += piece
        if len(body) > MOST_BYTES:
            return None
    return Spooled(status=answer.status, reason=answer.reason, headers=answer.headers, body=bytes(body))
