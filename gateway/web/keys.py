"""What the composition root hands to the web layer."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal

from aiohttp import web

from gateway.enrolment import EnrolmentFlow
from gateway.login import LoginFlow
from gateway.web.client_ip import Addresses
from gateway.web.clients import Clients

Check = Callable[[], Awaitable[None]]


@dataclass(frozen=True, kw_only=True, slots=True)
class PublicUrl:
    """Where visitors see the gateway; None when nobody said."""

    seen: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Audit:
    """How much of a client's address audit events carry."""

    address: Literal["full", "prefix", "off"]


@dataclass(kw_only=True, slots=True)
class Running:
    """The process's own state: *stopping* turns readiness off, *tasks* are requests whose client may have left."""

    stopping: bool = False
    tasks: set[asyncio.Task[object]] = field(default_factory=set)
    _until: float = math.inf

    def stop(self, *, within_seconds: float) -> None:
        """Begin to go down; whoever waits for something shares these seconds with all others."""
        self.stopping = True
        self._until = asyncio.get_running_loop().time() + within_seconds

    def left(self, most_seconds: float) -> float:
        """Seconds that may still be waited for something, at most *most_seconds*."""
        return max(0.0, min(most_seconds, self._until - asyncio.get_running_loop().time()))


FLOW = web.AppKey("flow", LoginFlow)
ENROLMENT = web.AppKey("enrolment", EnrolmentFlow)
CLIENTS = web.AppKey("clients", Clients)
ADDRESSES = web.AppKey("addresses", Addresses)
PUBLIC_URL = web.AppKey("public_url", PublicUrl)
AUDIT = web.AppKey("audit", Audit)
RUNNING = web.AppKey("running", Running)
CHECKS = web.AppKey("checks", dict[str, Check])
# What an operator should know but what must not take the process out of service.
DETAILS = web.AppKey("details", dict[str, Callable[[], str]])
