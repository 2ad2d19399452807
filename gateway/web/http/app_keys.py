"""What the middleware and the handlers of every listener read from their application and from their request."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from gateway.errors import GatewayError
from gateway.language_choice import ENGLISH, Language
from gateway.texts.catalogues import Languages
from gateway.web.http.client_ip import Addresses, Audited
from gateway.web.http.endpoint_events import EndpointEvents
from gateway.web.http.running import Running


@dataclass(frozen=True, kw_only=True, slots=True)
class Audit:
    """How much of a client's address the events carry."""

    address: Audited


ADDRESSES = web.AppKey("addresses", Addresses)
AUDIT = web.AppKey("audit", Audit)
# The events of each endpoint, by the name of its route.
EVENTS = web.AppKey("events", dict[str, EndpointEvents])
LANGUAGES = web.AppKey("languages", Languages)
RUNNING = web.AppKey("running", Running)
# Answers what is not the application's own; see web.site.
SITE: web.AppKey[Callable[[web.Request], Awaitable[web.StreamResponse]]] = web.AppKey("site")

LANGUAGE = web.RequestKey("language", Language)
# The keys of the request's body that its answer repeats, as they were sent.
ECHO = web.RequestKey("echo", dict[str, str])
# How a handler that answers with pages answers an error.
ERROR_ANSWER: web.RequestKey[Callable[[GatewayError], web.StreamResponse]] = web.RequestKey("error_answer")


def language_of(request: web.BaseRequest) -> Language:
    """The language that *request* is answered in; English while its headers have not been read."""
    language: Language = request.get(LANGUAGE, ENGLISH)
    return language
