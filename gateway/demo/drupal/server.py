"""The simulated Drupal as a web application, which answers as the measured sites do.

A request is checked in the real order: by nginx, then for trusted hosts and proxies, then for its account, its route,
and maintenance mode. tests/contracts replays the recorded exchanges against it.
"""

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from http import HTTPStatus
from typing import cast

from aiohttp import web

from gateway.demo.drupal import big_pipe, faulty_answers, files, login_form, nginx, one_time, scripts
from gateway.demo.drupal.faults import Fault
from gateway.demo.drupal.ledger import Ending
from gateway.demo.drupal.origin import Origin, RefusedEarlyError, read_origin
from gateway.demo.drupal.paths import BrokenPathError, fold_case, read_target
from gateway.demo.drupal.php import decode
from gateway.demo.drupal.refusals import early_refusal
from gateway.demo.drupal.routes import (
    check_authentication,
    check_request,
    endpoint_of,
    find_handler,
    identify,
    options,
)
from gateway.demo.drupal.routing import Handler
from gateway.demo.drupal.site import Call, DrupalOptions, Site
from gateway.demo.drupal.visit import RefusedError, Visit, internal_path

# nginx refuses a larger body with a page of its own, and Drupal does not see the request.
BODY_BYTES = 1_048_576
KEEP_ALIVE_SECONDS = 65.0
SHUTDOWN_SECONDS = 1.0
IN_MAINTENANCE_TOO: tuple[Handler, ...] = (login_form.page, one_time.log_in)
OPERATING = "Operating in maintenance mode. Go online."
MAINTENANCE = "{} is currently under maintenance. We should be back shortly. Thank you for your patience."


class SimulatedDrupal(Site):
    """The site, and its answers over HTTP."""

    def __init__(self, options: DrupalOptions | None = None) -> None:
        super().__init__(options or DrupalOptions())

    def app(self) -> web.Application:
        """Return the application. Serve it with `auto_decompress=False`, as `running` does: PHP unpacks no body."""
        app = web.Application(client_max_size=BODY_BYTES)
        app.router.add_route("*", "/{path:.*}", self.answer, expect_handler=nginx.expect)
        app.on_startup.append(self._open)
        app.on_shutdown.append(self._close)
        return app

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer as nginx, php-fpm and Drupal together do."""
        answer: web.StreamResponse | None = self._without_php(request)
        if answer is None:
            answer = await self._by_php(request)
        if request.version == nginx.HTTP_0_9 and isinstance(answer, web.Response):
            return await nginx.without_head(request, answer)
        return answer

    async def _by_php(self, request: web.Request) -> web.StreamResponse:
        fault = self._fault_for(request)
        try:
            origin = self._origin(request)
            call = self._record(request, origin)
            if fault is not None and not fault.is_carried_out:
                return await faulty_answers.answer_without_drupal(request, fault)
            answer = await self._drupal(request, origin, call)
        except RefusedEarlyError as refused:
            answer = early_refusal(request, refused, self.options.major)
        except web.HTTPRequestEntityTooLarge:
            answer = nginx.error_page(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        return answer if fault is None else await faulty_answers.lose_or_delay(request, answer, fault, self.closing)

    def _without_php(self, request: web.Request) -> web.Response | None:
        """Return what nginx answers without asking PHP, or None."""
        status = nginx.refusal(request)
        path = decode(request.raw_path.partition("#")[0].partition("?")[0])
        if status is None:
            status = scripts.refuse_without_drupal(path, passed_on=self.options.scripts)
        if status is not None:
            return nginx.error_page(status)
        return files.serve(request, self, path)

    def _fault_for(self, request: web.Request) -> Fault | None:
        if self.fault is None:
            return None
        try:
            path = read_target(request.raw_path, version=self.options.major).path
        except BrokenPathError:
            path = "/"
        endpoint = endpoint_of(fold_case(internal_path(path, self.options)))
        return self.fault if self.fault.applies_to(endpoint) else None

    async def _drupal(self, request: web.Request, origin: Origin, call: Call) -> web.StreamResponse:
        visit = Visit(request, self, origin)
        try:
            answer = await self._respond(visit, call)
        except RefusedError as refused:
            answer = await self._refuse(visit, refused)
        answer = await login_form.in_block(visit, answer)
        if big_pipe.applies_to(visit, answer):
            return await big_pipe.send(visit, answer, self)
        return visit.finish(answer)

    async def _refuse(self, visit: Visit, refused: RefusedError) -> web.Response:
        """Answer a refusal, with the site's own page for 403 and 404 if it has one.

        Measured, Drupal 10.6 and 11.4: a form on that page is handled, also by PUT.
        """
        own = {HTTPStatus.FORBIDDEN: self.options.page_403, HTTPStatus.NOT_FOUND: self.options.page_404}
        path = own.get(refused.status)
        if not path or visit.format != "html" or visit.path == path:
            return visit.refuse(refused)
        visit.path = visit.written = path
        visit.method = "POST" if visit.method in ("POST", "PUT") else "GET"
        try:
            answer = await find_handler(visit)(visit)
        except RefusedError:
            return visit.refuse(refused)
        if answer.status == HTTPStatus.OK:
            answer.set_status(refused.status)
        return answer

    async def _respond(self, visit: Visit, call: Call) -> web.Response:
        check_request(visit)
        if visit.target.is_collapsible:
            return visit.redirect(visit.origin.base_url + re.sub("/{2,}", "/", visit.request.raw_path))
        if visit.method == "OPTIONS":
            return await options(visit)
        identify(visit)
        call.acted_uid = visit.account.uid if visit.account else None
        call.carried = visit.session
        handler = find_handler(visit)
        check_authentication(visit, handler)
        self._refuse_in_maintenance(visit, handler)
        return await handler(visit)

    def _refuse_in_maintenance(self, visit: Visit, handler: Handler) -> None:
        """Refuse requests in maintenance mode, except those of administrators and of a few routes.

        Measured, Drupal 10.6 and 11.4: a refusal ends the session of a logged-in user. An administrator gets a message,
        which opens an anonymous session if credentials in a header came without one.
        """
        if not self.maintenance or handler in IN_MAINTENANCE_TOO:
            return
        if visit.account is not None and visit.account.is_administrator:
            visit.add_message(OPERATING)
            return
        if visit.account is not None:
            visit.log_out(Ending.MAINTENANCE)
        retry = {"Retry-After": "7"} if visit.is_json_api else {}
        if not visit.is_json_api and visit.format != "html":
            visit.format = "text"
        raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, MAINTENANCE.format(self.options.name), retry)

    def _origin(self, request: web.Request) -> Origin:
        options = self.options
        origin = read_origin(
            request.headers,
            peer=request.remote or "",
            proxies=options.reverse_proxy_addresses,
            hosts=options.trusted_hosts,
            version=options.major,
        )
        target = read_target(request.raw_path, version=options.major)
        if not (target.base_path or options.cookie_domain or options.name_suffix):
            return origin
        return replace(
            origin,
            base_path=target.base_path,
            cookie_domain=options.cookie_domain,
            name_suffix=options.name_suffix,
        )

    def _record(self, request: web.Request, origin: Origin) -> Call:
        call = Call(
            method=request.method,
            path=request.raw_path,
            headers=request.headers.copy() if self.options.record_calls else {},
            address=origin.address,
            had_cookie="Cookie" in request.headers,
        )
        if self.options.record_calls:
            self.calls.append(call)
        return call

    async def _open(self, _app: web.Application) -> None:
        self.closing = asyncio.Event()

    async def _close(self, _app: web.Application) -> None:
        self.closing.set()


@asynccontextmanager
async def running(drupal: SimulatedDrupal, *, host: str = "127.0.0.1", port: int = 0) -> AsyncGenerator[str]:
    """Serve *drupal* and yield its base URL; port 0 takes a free one.

    The URL names localhost, not an address: clients have other rules for the cookies of an address.
    """
    runner = web.AppRunner(
        drupal.app(),
        access_log=None,
        auto_decompress=False,
        handle_signals=False,
        keepalive_timeout=KEEP_ALIVE_SECONDS,
        shutdown_timeout=SHUTDOWN_SECONDS,
    )
    await runner.setup()
    new_connection = cast("web.Server", runner.server)
    loop = asyncio.get_running_loop()
    try:
        server = await loop.create_server(lambda: nginx.listen(new_connection()), host, port)
        try:
            yield f"http://localhost:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()
    finally:
        await runner.cleanup()
