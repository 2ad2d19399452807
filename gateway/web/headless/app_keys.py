"""What the handlers of `/headless` read from their application."""

from dataclasses import dataclass

from aiohttp import web

from gateway.enrolment.flow import EnrolmentFlow
from gateway.interfaces import Authenticator
from gateway.login.flow import LoginFlow
from gateway.web.headless.clients import Clients


@dataclass(frozen=True, kw_only=True, slots=True)
class PublicUrl:
    """The URL under which visitors see the gateway; None if it is not configured."""

    seen: str | None


FLOW = web.AppKey("flow", LoginFlow)
DRUPAL = web.AppKey("drupal", Authenticator)
ENROLMENT = web.AppKey("enrolment", EnrolmentFlow)
CLIENTS = web.AppKey("clients", Clients)
PUBLIC_URL = web.AppKey("public_url", PublicUrl)
