"""What the composition root hands to the web layer."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Literal

import structlog
from aiohttp import web

from gateway.enrolment import EnrolmentFlow
from gateway.languages import ENGLISH, Language, Languages
from gateway.login import LoginFlow
from gateway.logs import where
from gateway.web.client_ip import Addresses
from gateway.web.clients import Clients

log = structlog.get_logger()

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
    """The process's own state: *stopping* turns readiness off.

    *tasks* are what no connection waits for any more: requests whose client may have left, and what follows an answer.
    """

    stopping: bool = False
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)
    _until: float = math.inf

    def stop(self, *, within_seconds: float) -> None:
        """Go down; whoever waits for something shares these seconds with all others."""
        self.stopping = True
        self._until = asyncio.get_running_loop().time() + within_seconds

    def keep(self, work: Coroutine[object, None, None]) -> None:
        """Do *work* beside everything else; going down waits for it."""
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("http.internal", error=type(error).__name__, where=where(error))

    def left(self, most_seconds: float) -> float:
        """Seconds that may still be waited for something, at most *most_seconds*."""
        return max(0.0, min(most_seconds, self._until - asyncio.get_running_loop().time()))


FLOW = web.AppKey("flow", LoginFlow)
ENROLMENT = web.AppKey("enrolment", EnrolmentFlow)
CLIENTS = web.AppKey("clients", Clients)
ADDRESSES = web.AppKey("addresses", Addresses)
PUBLIC_URL = web.AppKey("public_url", PublicUrl)
AUDIT = web.AppKey("audit", Audit)
LANGUAGES = web.AppKey("languages", Languages)
RUNNING = web.AppKey("running", Running)
CHECKS = web.AppKey("checks", dict[str, Check])
# What an operator should know but what must not take the process out of service.
DETAILS = web.AppKey("details", dict[str, Callable[[], str]])

LANGUAGE = web.RequestKey("language", Language)


def language_of(request: web.BaseRequest) -> Language:
    """The language that *request* is answered in; English where nothing was read of it."""
    language: Language = request.get(LANGUAGE, ENGLISH)
    return language
