"""The seam between the proxy and the guard: what may go to Drupal, and what may leave from there."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from aiohttp import web

from gateway.upstream import Headers, UpstreamAnswer


@dataclass(frozen=True, kw_only=True, slots=True)
class Admitted:
    """A request that may go on. *headers* are sent to Drupal as they are, beside those of the hop itself."""

    headers: Headers = field(repr=False)


class Gate(Protocol):
    """Decides about each proxied request. A gate may raise any GatewayError: its answer takes Drupal's place."""

    async def admit(self, request: web.Request, headers: Sequence[tuple[str, str]]) -> Admitted | web.StreamResponse:
        """Judge a request before anything of it is sent. *headers* are those that may go on to Drupal."""
        ...

    async def judge(
        self, request: web.Request, admitted: Admitted, answer: UpstreamAnswer
    ) -> Sequence[tuple[str, str]] | web.StreamResponse:
        """Judge an answer before anything of it is released. Return its headers to release, or another answer."""
        ...


class OpenGate:
    """Lets everything pass."""

    async def admit(self, _request: web.Request, headers: Headers) -> Admitted | web.StreamResponse:
        return Admitted(headers=headers)

    async def judge(
        self, _request: web.Request, _admitted: Admitted, answer: UpstreamAnswer
    ) -> Headers | web.StreamResponse:
        return answer.headers
