"""The seam between the proxy and the guard: what may go to Drupal, and what may leave from there."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from aiohttp import web

from gateway.interfaces.upstream import Answer, Body, Headers, UpstreamAnswer


@dataclass(frozen=True, kw_only=True, slots=True)
class Admitted:
    """A request that may go on. *headers* are sent to Drupal as they are, beside those of the hop itself.

    *body* is one that was read already; None: it is passed on as it comes.
    """

    headers: Headers = field(repr=False)
    body: Body | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """An answer that may leave with these *headers*. *answer* takes the place of Drupal's own, if it was read already.

    *settle* is called once: with True when the last byte was written, with False when it could not be.
    """

    headers: Headers = field(repr=False)
    answer: Answer | None = field(default=None, repr=False)
    settle: Callable[[bool], None] = lambda _written: None


class Gate(Protocol):
    """Decides about each proxied request. A gate may raise any GatewayError: its answer takes Drupal's place."""

    async def admit(self, request: web.Request, headers: Sequence[tuple[str, str]]) -> Admitted | web.StreamResponse:
        """Judge a request before anything of it is sent. *headers* are those that may go on to Drupal."""
        ...

    async def judge(
        self, request: web.Request, admitted: Admitted, answer: UpstreamAnswer
    ) -> Release | web.StreamResponse:
        """Judge an answer before anything of it is released. Return what may leave, or another answer."""
        ...
