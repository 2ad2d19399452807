"""An endpoint of the API, as the router, the middleware and the OpenAPI document need it."""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from gateway.web.headless.bodies import Body
from gateway.web.http.endpoint_events import EndpointEvents


@dataclass(frozen=True, slots=True)
class Endpoint:
    """*handler* gives the endpoint its name, and its docstring is what the OpenAPI document says of it.

    *answers* are the models of what it answers when it succeeds.
    """

    handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    request: type[Body]
    answers: tuple[object, ...]
    events: EndpointEvents

    @property
    def name(self) -> str:
        return self.handler.__name__

    @property
    def path(self) -> str:
        """`totp_enroll` is served at `/headless/totp/enroll`."""
        return "/headless/" + self.name.replace("totp_", "totp/").replace("_", "-")

    @property
    def summary(self) -> str:
        return self._docstring().partition("\n")[0].removesuffix(".")

    @property
    def description(self) -> str:
        return " ".join(self._docstring().partition("\n")[2].split())

    def _docstring(self) -> str:
        return inspect.getdoc(self.handler) or ""
