"""What the middleware of every listener reads from its application and its requests."""

from dataclasses import dataclass
from typing import Literal

from aiohttp import web

from gateway.languages import ENGLISH, Language
from gateway.texts.catalogues import Languages
from gateway.web.http.client_ip import Addresses
from gateway.web.http.running import Running


@dataclass(frozen=True, kw_only=True, slots=True)
class Audit:
    """How much of a client's address audit events carry."""

    address: Literal["full", "prefix", "off"]


ADDRESSES = web.AppKey("addresses", Addresses)
AUDIT = web.AppKey("audit", Audit)
LANGUAGES = web.AppKey("languages", Languages)
RUNNING = web.AppKey("running", Running)

LANGUAGE = web.RequestKey("language", Language)
# What the body said of itself, as sent; an error's answer repeats it.
ECHO = web.RequestKey("echo", dict[str, str])


def language_of(request: web.BaseRequest) -> Language:
    """The language that *request* is answered in; English where nothing was read of it."""
    language: Language = request.get(LANGUAGE, ENGLISH)
    return language
