"""The composition root: the only file that sees every part."""

import random
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import structlog
from aiohttp import web

from gateway.delivery.courier import REMEMBERED_SECONDS, Courier
from gateway.delivery.notices import Notices
from gateway.enrolment.flow import EnrolmentFlow
from gateway.factors import Factors, open_factors
from gateway.flood.gate import Floodgate
from gateway.flood.limits import Limits
from gateway.interfaces import Authenticator, Backend, Channel
from gateway.interfaces.upstream import Upstream
from gateway.login.fallback import Fallback
from gateway.login.flow import LoginFlow
from gateway.login.manage_token import ManageTokens
from gateway.login.password_tests import PasswordTests
from gateway.login.reaper import Reaper
from gateway.login.refusal_timing import RefusalTiming
from gateway.login.rules import LoginRules
from gateway.login.second_factor import SecondFactor
from gateway.login.turns import turns_at
from gateway.policy.check import PolicyCheck
from gateway.sealing import Sealer
from gateway.settings import Settings, configured
from gateway.texts.catalogues import Languages
from gateway.texts.messages import Texts
from gateway.web.admin.health import CHECKS, DETAILS, admin
from gateway.web.headless.app_keys import (
    CLIENTS,
    DRUPAL,
    ENROLMENT,
    FLOW,
    PUBLIC_URL,
    SESSION_COOKIES,
    PlainCookies,
    PublicUrl,
)
from gateway.web.headless.clients import Clients, origin_of
from gateway.web.headless.routes import headless
from gateway.web.http.app_keys import ADDRESSES, AUDIT, LANGUAGES, RUNNING, SITE, Audit
from gateway.web.http.client_ip import Addresses
from gateway.web.http.running import LAST_SECONDS, Running, background
from gateway.web.site.births import Births
from gateway.web.site.code_page import VIEW, CodePage, add_code_page
from gateway.web.site.cors import SiteCors
from gateway.web.site.forwarding import hosts_of
from gateway.web.site.gate import Gate
from gateway.web.site.gatekeeper import Gatekeeper
from gateway.web.site.guard_answers import GuardAnswers
from gateway.web.site.handed_over import HandedOver
from gateway.web.site.observer import Observer
from gateway.web.site.own_cookies import OwnCookies
from gateway.web.site.proxy import Proxy
from gateway.web.site.sealed_cookies import SealedCookies

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True, slots=True)
class Gateway:
    """An opened gateway: both applications, and the tasks that a shutdown waits for."""

    headless: web.Application
    admin: web.Application
    running: Running


@asynccontextmanager
async def gateway(settings: Settings, *, clock: Callable[[], float] = time.time) -> AsyncGenerator[Gateway]:
    """Open every part. Closing lets the courier finish, and ends the sessions that a memory store has parked."""
    async with AsyncExitStack() as stack:
        running = Running()
        parts = await open_components(settings, stack, clock=clock)
        flow, courier = login_flow(parts), courier_of(parts)
        reaper = Reaper(drupal=parts.drupal, backend=parts.backend, clock=clock)
        seconds = settings.shutdown_seconds
        if not parts.backend.durable:
            # Even if requests took the whole shutdown time, the reaper gets LAST_SECONDS.
            stack.push_async_callback(lambda: reaper.drain(most_seconds=max(running.left(seconds), LAST_SECONDS)))
        await stack.enter_async_context(background(courier.run(), stop=courier.stop))
        await stack.enter_async_context(background(reaper.run()))
        # This runs before the reaper stops: a login that Drupal answers late may leave a session for the reaper.
        stack.push_async_callback(lambda: parts.drupal.finish(most_seconds=running.left(seconds)))
        stack.push_async_callback(running.settle, seconds)
        yield Gateway(
            headless=headless_app(parts, flow, running), admin=admin_app(parts, flow, running), running=running
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Components:
    """The opened parts that several other parts share."""

    settings: Settings
    sealer: Sealer
    drupal: Authenticator
    upstream: Upstream | None
    backend: Backend
    channels: dict[str, Channel]
    factors: Factors
    second_factor: SecondFactor
    notices: Notices
    policy: PolicyCheck
    texts: Texts
    flood: Floodgate
    rng: random.Random
    clock: Callable[[], float]


async def open_components(settings: Settings, stack: AsyncExitStack, *, clock: Callable[[], float]) -> Components:
    """Open the parts in the order of their dependencies; *stack* closes them."""
    if settings.webhook:
        await stack.enter_async_context(settings.webhook.open())
    sealer = settings.sealer()
    site = settings.drupal_with_public_url()
    drupal = await stack.enter_async_context(site.open())
    upstream = await stack.enter_async_context(settings.proxy.open(site)) if settings.proxy.enabled else None
    backend = await stack.enter_async_context(settings.store.open(sealer, clock=clock))
    channels: dict[str, Channel] = {
        name: await stack.enter_async_context(options.open()) for name, options in configured(settings.channels).items()
    }
    if settings.totp.enabled and not backend.durable:
        # This store is as old as the process, so nothing can have been lost from it.
        await backend.enrolments.initialise()
        log.warning("totp.not_kept")
    issuer = settings.totp.issuer or settings.texts.site or "Headgate"
    factors = stack.enter_context(open_factors(settings.code, issuer=issuer))
    flood = Floodgate(
        backend.counters,
        Limits(settings.flood, sealer.index),
        clock=clock,
        login_seconds=settings.drupal.timeout_seconds,
    )
    tokens, notices = ManageTokens(sealer, clock=clock), Notices(backend.outbox, channels.keys())
    return Components(
        settings=settings,
        sealer=sealer,
        drupal=drupal,
        upstream=upstream,
        backend=backend,
        channels=channels,
        factors=factors,
        second_factor=SecondFactor(
            factors, backend, enabled=settings.totp.enabled, flood=flood, tokens=tokens, notices=notices, clock=clock
        ),
        notices=notices,
        policy=PolicyCheck(
            settings.policy.policy(proxies=settings.trusted_proxies),
            settings.policy.remember,
            enrolments=backend.enrolments,
            notices=notices,
            clock=clock,
        ),
        texts=Texts(settings.texts, public_url=settings.public_url),
        flood=flood,
        # These random numbers spread retries and vary the time of answers. No secret is made of them.
        rng=random.Random(),  # noqa: S311
        clock=clock,
    )


def login_flow(parts: Components) -> LoginFlow:
    settings, drupal = parts.settings, parts.settings.drupal
    refusal_timing = RefusalTiming(parts.rng, most_seconds=drupal.timeout_seconds)
    return LoginFlow(
        drupal=parts.drupal,
        backend=parts.backend,
        flood=parts.flood,
        refusal_timing=refusal_timing,
        turns=turns_at(drupal.max_concurrent, wait_seconds=drupal.queue_seconds, keep_seconds=refusal_timing.step),
        policy=parts.policy,
        second_factor=parts.second_factor,
        password_tests=PasswordTests(parts.flood, parts.notices, clock=parts.clock),
        rules=LoginRules(
            code=settings.code,
            channels=frozenset(parts.channels),
            preferred=settings.method,
            prefer_authenticator=settings.totp.prefer,
            numbers=settings.numbers,
            fallback=settings.fallback,
            languages=parts.texts.choice,
        ),
        clock=parts.clock,
    )


def courier_of(parts: Components) -> Courier:
    settings = parts.settings
    return Courier(
        outbox=parts.backend.outbox,
        transactions=parts.backend.transactions,
        channels=parts.channels,
        code_of=parts.factors.code.challenge,
        counted=parts.flood.counted,
        texts=parts.texts,
        clock=parts.clock,
        rng=parts.rng,
        options=settings.courier,
        claim_seconds=settings.store.claim_seconds,
        fall_back=Fallback(parts.backend, flood=parts.flood, methods=settings.fallback, clock=parts.clock),
        # With a fallback, a message's deadline comes before its code expires. `/status` may be called until the code
        # expires.
        remembered_seconds=REMEMBERED_SECONDS + (settings.code.lifetime_seconds if settings.fallback else 0),
    )


def headless_app(parts: Components, flow: LoginFlow, running: Running) -> web.Application:
    settings = parts.settings
    app = headless(enabled=settings.headless.enabled)
    app[FLOW] = flow
    app[DRUPAL] = parts.drupal
    app[ENROLMENT] = EnrolmentFlow(
        parts.factors, parts.second_factor, enrolments=parts.backend.enrolments, flood=parts.flood, clock=parts.clock
    )
    app[CLIENTS] = Clients(
        {client.digest(): client.client() for client in settings.headless.clients},
        own_origin=origin_of(settings.public_url) if settings.public_url else None,
    )
    app[ADDRESSES] = Addresses(
        settings.trusted_proxies, header=settings.forwarding_header, audit=settings.audit.address
    )
    app[SESSION_COOKIES] = PlainCookies(settings.relay.cookies)
    app[PUBLIC_URL] = PublicUrl(seen=settings.public_url)
    app[AUDIT] = Audit(address=settings.audit.address)
    app[LANGUAGES] = Languages(default=settings.texts.default_language, folder=settings.texts.folder)
    app[RUNNING] = running
    if parts.upstream:
        app[SITE] = proxy_of(parts.upstream, gate_of(parts, flow, app), settings, app).handle
    return app


def gate_of(parts: Components, flow: LoginFlow, app: web.Application) -> Gate:
    """Return the gate of the proxy. Where it leads logins to the code page, serve that, too."""
    settings, origin = parts.settings, parts.settings.site_origin
    days = settings.policy.remember.days
    own = OwnCookies(parts.sealer, origin=origin, device_days=days)
    sealed = SealedCookies(parts.sealer, origin=origin)
    handed = HandedOver(
        parts.policy, sealed, own, clock=parts.clock, relay=settings.relay.cookies, seals=settings.guards
    )
    app[SESSION_COOKIES] = handed
    if not settings.guards:
        return Observer(settings.guard, parts.drupal, handed, app[ADDRESSES], app[RUNNING])
    page = CodePage(
        own=own,
        handed=handed,
        sealed=sealed,
        origin=origin,
        clock=parts.clock,
        site=settings.texts.site,
        folder=settings.texts.folder,
        remember_days=days,
    )
    add_code_page(app, page)
    return Gatekeeper(
        options=settings.guard,
        flow=flow,
        drupal=parts.drupal,
        policy=parts.policy,
        births=Births(flow=flow, drupal=parts.drupal, handed=handed, challenges=settings.guard.on_login == "challenge"),
        handed=handed,
        sealed=sealed,
        own=own,
        answers=GuardAnswers(app[VIEW], own, app[LANGUAGES], origin=origin),
        addresses=app[ADDRESSES],
        running=app[RUNNING],
        idle_seconds=settings.proxy.idle_seconds,
    )


def proxy_of(upstream: Upstream, gate: Gate, settings: Settings, app: web.Application) -> Proxy:
    return Proxy(
        upstream,
        gate,
        addresses=app[ADDRESSES],
        languages=app[LANGUAGES],
        hosts=hosts_of(settings.public_url, settings.drupal.public_url),
        idle_seconds=settings.proxy.idle_seconds,
        cors=SiteCors(app[CLIENTS].origins) if app[CLIENTS].origins else None,
    )


def admin_app(parts: Components, flow: LoginFlow, running: Running) -> web.Application:
    app = admin()
    app[CHECKS] = {"store": parts.backend.ping}
    app[DETAILS] = {"drupal": flow.drupal_state}
    app[RUNNING] = running
    return app
