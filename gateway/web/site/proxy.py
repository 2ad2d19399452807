"""The handler of everything outside `/headless`."""

import asyncio
from http import HTTPStatus
from typing import cast

from aiohttp import web
from aiohttp.hdrs import UPGRADE

from gateway.errors import GatewayError, Malformed
from gateway.interfaces.upstream import Body, Upstream, UpstreamAnswer
from gateway.language_choice import Language
from gateway.texts.catalogues import Languages
from gateway.web.http.client_ip import Addresses, ClientGone
from gateway.web.http.connections import Connection
from gateway.web.http.error_answers import refused_by_http
from gateway.web.site.answers import break_off, release
from gateway.web.site.bodies import RequestBody
from gateway.web.site.cors import SiteCors
from gateway.web.site.failures import Failures
from gateway.web.site.forwarding import HTTP_1_0, forwarded, refusal, released
from gateway.web.site.gate import Gate, Release
from gateway.web.site.pages import away
from gateway.web.site.tunnel import HANDSHAKE, accepted, key_of, tunnel

ALLOWED = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
CHUNKED = [("Transfer-Encoding", "chunked")]


class Proxy:
    """Passes requests to Drupal. *hosts* are the values of Host that mean this site."""

    def __init__(
        self,
        upstream: Upstream,
        gate: Gate,
        *,
        addresses: Addresses,
        languages: Languages,
        hosts: frozenset[str],
        idle_seconds: float,
        cors: SiteCors | None = None,
    ) -> None:
        self._upstream = upstream
        self._gate = gate
        self._addresses = addresses
        self._languages = languages
        self._hosts = hosts
        self._idle_seconds = idle_seconds
        self._cors = cors
        self._failures = Failures()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a request for anything outside `/headless`."""
        status = self._refusal(request)
        response = await self._answer(request) if status is None else self._refuse(request, status)
        if not response.prepared and UPGRADE in request.headers:
            # aiohttp would take what follows, which may be the bytes of a tunnel, for requests.
            response.force_close()
        return response

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if self._cors is None:
            return await self._while_here(request)
        response = self._cors.preflight(request) or await self._while_here(request)
        if not response.prepared and response.status != HTTPStatus.NO_CONTENT:
            # This answer is the gateway's own. The page that asked may read it, as it may read Drupal's answers.
            for name, value in self._cors.on(request, ()):
                response.headers[name] = value
        return response

    async def _while_here(self, request: web.Request) -> web.StreamResponse:
        """Pass a request on, and end it at Drupal when the visitor leaves."""
        connection, task = cast("Connection", request.protocol), asyncio.current_task()
        assert task is not None  # noqa: S101  # a handler runs in a task
        connection.when_lost = task.cancel
        try:
            return await self._pass_on(request)
        except asyncio.CancelledError:
            if request.transport is not None:
                raise
            task.uncancel()
            raise ConnectionResetError("client gone") from None
        except ClientGone:
            raise ConnectionResetError("client gone") from None
        except Malformed:
            return self._refuse(request, HTTPStatus.BAD_REQUEST)
        except GatewayError as error:
            return self._failed(request, error)
        finally:
            connection.when_lost = None

    def _refusal(self, request: web.Request) -> HTTPStatus | None:
        headers = request.headers
        status = refusal(
            request.method,
            request.raw_path,
            request.version,
            headers.getall("Transfer-Encoding", []),
            has_length="Content-Length" in headers,
        )
        # HTTP/1.0 needs no Host.
        if status is None and "Host" in headers and headers["Host"].lower() not in self._hosts:
            return HTTPStatus.MISDIRECTED_REQUEST
        return status

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        address = self._addresses.of(request)
        body = RequestBody(request, idle_seconds=self._idle_seconds) if request.body_exists else None
        passed = forwarded(request.raw_headers, expects=body is not None and request.version != HTTP_1_0)
        admitted = await self._gate.admit(request, passed.headers)
        if isinstance(admitted, web.StreamResponse):
            return admitted
        sent: Body | None = admitted.body or body
        key = key_of(request, passed.options) if "upgrade" in passed.options else None
        headers = [*admitted.headers, *(HANDSHAKE if key else []), *(CHUNKED if sent and sent.chunked else [])]
        async with self._upstream.send(request.method, request.raw_path, headers, sent, address=address) as answer:
            judged = await self._gate.judge(request, admitted, answer)
            if isinstance(judged, web.StreamResponse):
                return judged
            if answer.upgraded:
                accepted(key, answer)
                return await tunnel(request, answer, judged.headers)
            # aiohttp does not parse what follows a request that asked for an upgrade.
            return await self._release(request, answer, judged, may_keep="upgrade" not in passed.options)

    async def _release(
        self, request: web.Request, answer: UpstreamAnswer, judged: Release, *, may_keep: bool
    ) -> web.StreamResponse:
        headers = released(judged.headers, status=answer.status)
        if self._cors is not None:
            headers = [*self._cors.on(request, headers)]
        try:
            response = await release(request, judged.answer or answer, headers, may_keep=may_keep)
        except BaseException:
            judged.settle(False)
            raise
        judged.settle(True)
        return response

    def _failed(self, request: web.Request, error: GatewayError) -> web.StreamResponse:
        """Answer in Drupal's place, or break the answer off if its head has left."""
        self._failures.say(error, begun=bool(request.writer.output_size))
        if request.writer.output_size:
            break_off(request)
            raise ConnectionResetError("answer broken off") from None
        return away(request, error, self._language(request))

    def _refuse(self, request: web.Request, status: HTTPStatus) -> web.StreamResponse:
        """Answer a request that goes nowhere, and close its connection: nobody knows what follows it."""
        if request.writer.output_size:
            break_off(request)
            raise ConnectionResetError("answer broken off") from None
        allow = ALLOWED if status == HTTPStatus.METHOD_NOT_ALLOWED else None
        response = refused_by_http(status, self._language(request), allow=allow)
        response.force_close()
        return response

    def _language(self, request: web.Request) -> Language:
        return self._languages.asked_for(request.headers.get("Accept-Language", ""))
