"""The composition root: the only file that sees every part."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncGenerator, Callable, Collection, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import structlog
from aiohttp import web

from gateway.delivery.courier import REMEMBERED_SECONDS, Courier
from gateway.delivery.notices import Notices
from gateway.enrolment.flow import EnrolmentFlow
from gateway.factors import Code, RecoveryCodes, Totp
from gateway.flood.gate import Floodgate
from gateway.flood.limits import Limits
from gateway.interfaces import Authenticator, Backend, Channel
from gateway.login.fallback import Fallback
from gateway.login.flow import LoginFlow
from gateway.login.manage_token import ManageTokens
from gateway.login.methods import methods_of
from gateway.login.outcome import Rules
from gateway.login.parking import Parking
from gateway.login.reaper import Reaper
from gateway.login.refusal_timing import RefusalTiming
from gateway.login.second_factor import SecondFactor
from gateway.policy.check import PolicyCheck
from gateway.settings import Settings, configured
from gateway.store import Sealer
from gateway.texts.catalogues import Languages
from gateway.texts.messages import Texts
from gateway.web.admin.health import CHECKS, DETAILS, Check, admin
from gateway.web.headless.clients import Clients, origin_of
from gateway.web.headless.keys import CLIENTS, DRUPAL, ENROLMENT, FLOW, PUBLIC_URL, PublicUrl
from gateway.web.headless.routes import headless
from gateway.web.http.client_ip import Addresses
from gateway.web.http.connections import ConnectionLimit
from gateway.web.http.keys import ADDRESSES, AUDIT, LANGUAGES, RUNNING, Audit
from gateway.web.http.running import Running

log = structlog.get_logger()

# What is given up at the end has this long to leave things in order.
LAST_SECONDS = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Gateway:
    """An opened gateway: both applications, and what its listeners need to go down gently."""

    headless: web.Application
    admin: web.Application
    running: Running
    connection_limit: ConnectionLimit


@asynccontextmanager
async def gateway(settings: Settings, *, clock: Callable[[], float] = time.time) -> AsyncGenerator[Gateway]:
    """Open every part; closing lets the courier finish, and logs out what a dying store has parked."""
    async with AsyncExitStack() as stack:
        running = Running()
        parts = await open_parts(settings, stack, clock=clock)
        flow, courier = login_flow(parts), courier_of(parts)
        reaper = Reaper(drupal=parts.drupal, backend=parts.backend, clock=clock)
        if not parts.backend.durable:
            stack.push_async_callback(drain, reaper, running, settings.shutdown_seconds)
        await stack.enter_async_context(background(courier.run(), stop=courier.stop))
        await stack.enter_async_context(background(reaper.run()))
        stack.push_async_callback(finish, parts.drupal, running, settings.shutdown_seconds)
        stack.push_async_callback(settle, running, settings.shutdown_seconds)
        app = headless(enabled=settings.headless.enabled)
        app[DRUPAL] = parts.drupal
        yield Gateway(
            headless=expose(app, settings, flow, enrolment_flow(parts), running),
            admin=oversee(admin(), {"store": parts.backend.ping}, flow, running),
            running=running,
            connection_limit=ConnectionLimit(
                most=settings.listen.max_connections,
                most_per_address=settings.listen.max_connections_per_address,
                addresses=Addresses(settings.trusted_proxies),
            ),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Components:
    """What more than one of the flows is made of, opened."""

    settings: Settings
    sealer: Sealer = field(repr=False)
    drupal: Authenticator
    backend: Backend
    channels: dict[str, Channel]
    code: Code
    totp: Totp
    recovery: RecoveryCodes
    proof: SecondFactor
    tokens: ManageTokens
    notices: Notices
    texts: Texts
    flood: Floodgate
    rng: random.Random
    clock: Callable[[], float]


async def open_parts(settings: Settings, stack: AsyncExitStack, *, clock: Callable[[], float]) -> Components:
    """Open them in the order in which they need each other; *stack* closes them."""
    if settings.webhook:
        await stack.enter_async_context(settings.webhook.open())
    sealer = settings.sealer()
    drupal = await stack.enter_async_context(settings.drupal_with_public_url().open())
    backend = await stack.enter_async_context(settings.store.open(sealer, clock=clock))
    channels: dict[str, Channel] = {
        name: await stack.enter_async_context(options.open()) for name, options in configured(settings.channels).items()
    }
    if settings.totp.enabled and not backend.durable:
        # It is as old as the process: nothing can have been lost from it.
        await backend.enrolments.initialise()
        log.warning("totp.not_kept")
    code, recovery = Code(settings.code), RecoveryCodes()
    stack.callback(recovery.close)
    totp = Totp(issuer=settings.totp.issuer or settings.texts.site or "Headgate")
    notices = Notices(backend.outbox, channels.keys())
    return Components(
        settings=settings,
        sealer=sealer,
        drupal=drupal,
        backend=backend,
        channels=channels,
        code=code,
        totp=totp,
        recovery=recovery,
        proof=SecondFactor(
            code=code,
            totp=totp,
            recovery=recovery,
            enabled=settings.totp.enabled,
            backend=backend,
            notices=notices,
            clock=clock,
        ),
        tokens=ManageTokens(sealer, clock=clock),
        notices=notices,
        texts=Texts(settings.texts, public_url=settings.public_url),
        flood=Floodgate(backend.counters, Limits(settings.flood, sealer.index), clock=clock),
        # It spreads retries and blurs answers; nothing secret is made of it.
        rng=random.Random(),  # noqa: S311
        clock=clock,
    )


def login_flow(parts: Components) -> LoginFlow:
    settings = parts.settings
    return LoginFlow(
        drupal=parts.drupal,
        backend=parts.backend,
        parking=Parking(drupal=parts.drupal, backend=parts.backend, clock=parts.clock),
        factor=parts.code,
        proof=parts.proof,
        tokens=parts.tokens,
        channels=frozenset(parts.channels),
        methods=partial(
            methods_of,
            channels=parts.channels.keys(),
            preferred=settings.method,
            prefer_authenticator=settings.totp.prefer,
        ),
        rules=Rules(
            lifetime_seconds=settings.code.lifetime_seconds,
            attempts=settings.code.attempts,
            resends=settings.code.resends,
            resend_wait_seconds=settings.code.resend_wait_seconds,
            numbers=settings.numbers,
            fallback=settings.fallback,
        ),
        flood=parts.flood,
        exemption=PolicyCheck(
            settings.policy.policy(proxies=settings.trusted_proxies),
            settings.policy.remember,
            enrolments=parts.backend.enrolments,
            notices=parts.notices,
            clock=parts.clock,
        ),
        notices=parts.notices,
        alike=RefusalTiming(parts.rng, most_seconds=settings.drupal.timeout_seconds),
        languages=parts.texts.choice,
        index=parts.sealer.index,
        clock=parts.clock,
    )


def enrolment_flow(parts: Components) -> EnrolmentFlow:
    return EnrolmentFlow(
        enabled=parts.settings.totp.enabled,
        totp=parts.totp,
        recovery=parts.recovery,
        proof=parts.proof,
        enrolments=parts.backend.enrolments,
        flood=parts.flood,
        tokens=parts.tokens,
        notices=parts.notices,
        clock=parts.clock,
    )


def courier_of(parts: Components) -> Courier:
    settings = parts.settings
    return Courier(
        outbox=parts.backend.outbox,
        transactions=parts.backend.transactions,
        channels=parts.channels,
        code_of=parts.code.code,
        counted=parts.flood.counted,
        texts=parts.texts,
        clock=parts.clock,
        rng=parts.rng,
        options=settings.courier,
        claim_seconds=settings.store.claim_seconds,
        fall_back=Fallback(parts.backend, flood=parts.flood, methods=settings.fallback, clock=parts.clock),
        # With a fallback a message's deadline is before its code's end, up to which /status is asked.
        remembered_seconds=REMEMBERED_SECONDS + (settings.code.lifetime_seconds if settings.fallback else 0),
    )


def expose(
    app: web.Application, settings: Settings, flow: LoginFlow, enrolment: EnrolmentFlow, running: Running
) -> web.Application:
    """Give the web layer what it asks for."""
    app[FLOW] = flow
    app[ENROLMENT] = enrolment
    app[CLIENTS] = Clients(
        {client.digest(): client.client() for client in settings.headless.clients},
        own_origin=origin_of(settings.public_url) if settings.public_url else None,
    )
    app[ADDRESSES] = Addresses(
        settings.trusted_proxies, header=settings.forwarding_header, audit=settings.audit.address
    )
    app[PUBLIC_URL] = PublicUrl(seen=settings.public_url)
    app[AUDIT] = Audit(address=settings.audit.address)
    app[LANGUAGES] = Languages(default=settings.texts.default_language, folder=settings.texts.folder)
    app[RUNNING] = running
    return app


def oversee(app: web.Application, checks: dict[str, Check], flow: LoginFlow, running: Running) -> web.Application:
    app[CHECKS] = checks
    app[DETAILS] = {"drupal": flow.drupal_state}
    app[RUNNING] = running
    return app


@asynccontextmanager
async def background(work: Coroutine[None, None, None], stop: Callable[[], None] | None = None) -> AsyncGenerator[None]:
    """Run *work* beside the caller; at the end ask it to *stop*, or cancel it."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        if stop is None:
            task.cancel()
        else:
            stop()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def settle(running: Running, most_seconds: float) -> None:
    """Let requests end whose client has left: aiohttp forgets them with their connection, Drupal does not."""
    if running.tasks:
        _, late = await asyncio.wait(running.tasks, timeout=running.left(most_seconds))
        await give_up(late)


async def finish(drupal: Authenticator, running: Running, most_seconds: float) -> None:
    """Wait for logins that are read on while there is a reaper, and a store that keeps what can't be ended."""
    await drupal.finish(most_seconds=running.left(most_seconds))


async def drain(reaper: Reaper, running: Running, most_seconds: float) -> None:
    """End what the store has parked; a request that took all the time there was leaves some for this."""
    await reaper.drain(most_seconds=max(running.left(most_seconds), LAST_SECONDS))


async def give_up(tasks: Collection[asyncio.Task[None]]) -> None:
    """Cancel *tasks* and let them say so."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=LAST_SECONDS)
