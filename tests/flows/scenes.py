"""The scenes of the audit trail's run (test_events.py): each brings about what the events of docs/events.md tell of."""

import asyncio
import base64
import contextlib
import json
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from redis import Redis

from gateway.account import Device, Enrolment
from gateway.cli.accounts import clear_locks, remove_devices, remove_factors
from gateway.demo.drupal.accounts import User
from gateway.demo.drupal.faults import Endpoint, Fault, Gate, Kind
from gateway.demo.drupal.site import DrupalOptions
from gateway.drupal import reading_on
from gateway.drupal.bulkhead import Breaker
from gateway.factors import recovery
from gateway.flood.limits import PASSWORD_TESTS, guesses
from gateway.login import parking
from gateway.process import warn
from gateway.settings import Settings
from gateway.telemetry import event_webhook
from gateway.web.headless import handlers
from gateway.web.http.connections import MOST_WAITING
from tests.chaos.peers import HAND, POST, REMOVE, WIN, Tap, typing
from tests.flows.apps import ON, RECOVERY, ask, by_mail, enrol
from tests.guard.site import guarded
from tests.ports import free_port
from tests.redis_server import RedisServer
from tests.site.backend import Backend, running
from tests.wire import Line, line, request
from tests.world import (
    KEY,
    PASSWORDS,
    SESSION_NAME,
    Frontend,
    World,
    a_world,
    code_in,
    cookie_pair,
    pending,
    start_gateway,
    wrong,
)

FROM = {"X-Forwarded-For": "203.0.113.9"}
OTHER_SEAL_KEY = "k2:" + base64.b64encode(b"t" * 32).decode()
TRUSTING = DrupalOptions(reverse_proxy_addresses=("127.0.0.1",))
WITH_REST = DrupalOptions(reverse_proxy_addresses=("127.0.0.1",), modules=frozenset({"rest"}))
NAMED_OTHERWISE = DrupalOptions(reverse_proxy_addresses=("127.0.0.1",), name_suffix="x")
# Nobody has these: what a client makes up stands in no event.
MADE_UP = "a-method-that-was-made-up"
SECRETS = ("alice", "dave", *PASSWORDS.values(), "nope", "example.test", "+1555", KEY, MADE_UP)


@dataclass(kw_only=True)
class Stage:
    """What the scenes of the run are played on; each opens a world of its own."""

    events: list[dict[str, Any]]
    redis: RedisServer
    patch: pytest.MonkeyPatch
    tmp_path: Any
    # What may stand in no event, beside what every run has.
    secrets: set[str]
    # Where the scene began.
    since: int = 0

    @asynccontextmanager
    async def world(self, *, drupal: DrupalOptions = TRUSTING, redis: str | None = None, **settings: Any):
        """A world over the memory store, or over Redis at *redis*."""
        store = {"kind": "redis", "url": redis, "claim_seconds": 0.3, "timeout_seconds": 0.5} if redis else {}
        async with a_world(store=store or {"kind": "memory"}, drupal=drupal, **settings) as made:
            yield made
            self.secrets |= {code for mail in made.mailbox.mails if (code := in_mail(mail))}

    def has(self, name: str, **fields: Any) -> bool:
        return any(
            event["event"] == name and all(event.get(key) == value for key, value in fields.items())
            for event in self.events[self.since :]
        )


def in_mail(mail):
    try:
        return code_in(mail)
    except AssertionError:
        return None


async def opened_for(frontend: Frontend, name: str = "alice", *, at: str = FROM["X-Forwarded-For"]):
    body = {"username": name, "password": PASSWORDS[name], "apiKey": frontend.key}
    return await frontend.post("authenticate", body, headers={"X-Forwarded-For": at})


async def fail(frontend: Frontend, opened, times: int = 1) -> None:
    for _ in range(times):
        assert (await frontend.login(opened, "no code")).code == "wrong_otp"


# The scenes


async def who_logs_in_and_who_is_refused(stage: Stage) -> None:
    drupal = DrupalOptions(reverse_proxy_addresses=("127.0.0.1",))
    async with stage.world(drupal=drupal) as world, world.open_gateway(channels={"sms": {"kind": "console"}}) as web:
        opened = await web.authenticate()
        code = await world.code()
        await web.login(opened, wrong(code))
        await web.login(opened, code, authType=MADE_UP)
        await web.status(opened)
        await web.resend(opened)
        await web.resend(opened, switchTo="WHATSAPP")
        won = await web.login(opened, code)
        await web.logout(cookie_pair(won.cookies[0]), won["session"]["logout_token"])
        await web.cancel(await web.authenticate())
        for _ in range(4):
            await web.authenticate()
        await web.authenticate("alice", "nope")
        await web.post("authenticate", {})
        await web.post("authenticate", {"username": "alice", "password": "x" * 20_000})
        await web._http.post(f"{web.url}/headless/authenticate", data=b"{}")
        await web.authenticate(apiKey="unknown")
        await web.post("status", {"apiKey": KEY} | pending(opened), headers={"Origin": "https://evil.example.org"})


async def who_leaves(stage: Stage) -> None:
    async with (
        Tap.open(stage.redis) as tap,
        stage.world(redis=tap.url) as world,
        world.open_gateway() as web,
        line(web.url) as open_line,
    ):
        opened = await web.authenticate()
        right = typing(opened, await world.code())
        tap.on(WIN, open_line.reset)
        await open_line.send(request("login", right))
        await world.eventually(lambda: stage.has("login.client_gone"))


async def what_is_refused_by_configuration(stage: Stage) -> None:
    client = [{"id": "web", "api_key": KEY}]
    async with stage.world(flood={"name": {"most": 1, "seconds": 21_600}}, code={"resend_wait_seconds": 60}) as world:
        async with world.open_gateway(headless={"enabled": False}) as web:
            await web.authenticate()
        async with world.open_gateway(trusted_proxies=[], headless={"clients": client}) as web:
            await web.post("authenticate", {}, headers=FROM)
        async with world.open_gateway(drupal={"contacts": "off"}) as web:
            await web.authenticate()
        async with world.open_gateway() as web:
            await web.resend(await web.authenticate())
            for _ in range(2):
                await web.authenticate("bob", "nope")
        async with world.open_gateway(store={"outbox_most": 1}) as web:
            with world.mailbox.held("MAIL"):
                for name in ("alice", "dave"):
                    await web.authenticate(name)
        async with world.open_gateway(listen={"max_connections": 1}) as web, line(web.url) as first:
            await too_many(stage, world, web.url, first)


async def too_many(stage: Stage, world: World, url: str, idle: Line) -> None:
    """There is place for one connection. An idle one makes way, one with a request does not."""
    gate = world.drupal.gate = Gate(after_birth=False)
    async with line(url) as working:
        await idle.rest()
        await working.send(
            request("authenticate", {"username": "alice", "password": PASSWORDS["alice"], "apiKey": KEY})
        )
        await gate.reached()
        async with line(url) as refused:
            await refused.rest()
        gate.release()
        await working.reply()


async def what_is_no_http_and_what_is_a_bug(stage: Stage) -> None:
    def bug(*_: Any) -> None:
        raise LookupError(PASSWORDS["alice"])

    async with stage.world() as world, world.open_gateway() as web:
        async with line(web.url) as open_line:
            await open_line.send(b"GARBAGE\r\n\r\n")
            await open_line.reply()
        with stage.patch.context() as patch:
            patch.setattr(handlers, "visitor_of", bug)
            await web.authenticate()
        with stage.patch.context() as patch:
            patch.setattr("gateway.web.http.middleware.new_request_id", bug)
            async with line(web.url) as open_line:
                await open_line.send(request("status", {}))
                await open_line.rest()
        with stage.patch.context() as patch:
            patch.setattr("gateway.login.reaper.Reaper.sweep", bug)
            await world.eventually(lambda: stage.has("reaper.internal"))


async def who_guesses(stage: Stage) -> None:
    """Ten wrong codes, and ninety more, each after its wait."""
    everywhere = {
        "everywhere": {"most": 5, "seconds": 600},
        "name_everywhere": {"most": 1, "seconds": 600},
        "codes": {"most": 1000, "seconds": 3600},
    }
    async with stage.world(flood=everywhere, code={"attempts": 20, "lifetime_seconds": 3600}) as world:
        hook = {"url": "http://127.0.0.1:1/hook", "secret": "whsec_" + "A" * 44}
        stage.patch.setattr(event_webhook, "TRIES_AFTER_SECONDS", (0,))
        async with world.open_gateway(webhook=hook) as web:
            await web.authenticate("alice", "nope")
            await fail(web, await web.authenticate(), 10)
            assert (await web.authenticate()).code == "account_locked"
            for _ in range(45):
                world.clock.ahead += 901
                opened = await web.authenticate()
                for _ in range(2):
                    await fail(web, opened)
                    world.clock.ahead += 901
            await world.eventually(lambda: stage.has("webhook.dropped"))


async def a_drupal_that_fails(stage: Stage) -> None:
    stage.patch.setattr(reading_on, "READ_ON_SECONDS", 0.5)
    async with stage.world() as world, world.open_gateway(drupal={"timeout_seconds": 0.3}) as web:
        world.drupal.fault = Fault(kind=Kind.SLOW, at=Endpoint.LOGIN, seconds=0.5)
        await web.authenticate("alice", "nope")
        await world.eventually(lambda: stage.has("drupal.late_refusal"))
        world.drupal.fault = Fault(kind=Kind.HANG, at=Endpoint.LOGIN)
        await web.authenticate()
        await world.eventually(lambda: stage.has("drupal.orphan"))
        world.drupal.fault = Fault(kind=Kind.HTML, at=Endpoint.CONTACTS)
        await web.authenticate()
        world.drupal.fault = Fault(kind=Kind.SERVER_ERROR, at=Endpoint.LOGOUT)
        await web.cancel(await web.authenticate("dave"))
        await world.eventually(lambda: stage.has("reaper.postponed"))
        world.drupal.closing.set()


async def a_drupal_that_answers_nobody(stage: Stage) -> None:
    stage.patch.setitem(Breaker.__init__.__kwdefaults__, "seconds", 0.2)
    async with stage.world() as world, world.open_gateway() as web:
        world.drupal.fault = Fault(kind=Kind.DROP, at=Endpoint.LOGIN)
        for number in range(5):
            await opened_for(web, "bob", at=f"198.51.100.{number}")
        world.drupal.fault = None
        await asyncio.sleep(0.25)
        await web.authenticate("bob")


async def a_drupal_that_is_busy_or_badly_set_up(stage: Stage) -> None:
    async with stage.world() as world, world.open_gateway(drupal={"max_concurrent": 1}) as web:
        gate = world.drupal.gate = Gate(after_birth=False)
        asking = [asyncio.create_task(opened_for(web)) for _ in range(12)]
        await gate.reached()
        await world.eventually(lambda: stage.has("authenticate.drupal_busy"))
        gate.release()
        await asyncio.gather(*asking)
    untrusting = DrupalOptions(ip_limit=3, trusted_hosts=(r"^www\.example\.org$",))
    async with (
        stage.world(drupal=untrusting) as world,
        world.open_gateway(public_url="https://www.example.org") as web,
    ):
        await web.login(await web.authenticate(), await world.code())
        for number in range(4):
            body = {"username": f"nobody{number}", "password": "nope", "apiKey": KEY}
            await web.post("authenticate", body, headers={"X-Forwarded-For": f"198.51.100.{number}"})


async def mail_that_does_not_arrive(stage: Stage) -> None:
    async with stage.world() as world, world.open_gateway(courier={"retry_seconds": 0.01}) as web:
        world.mailbox.once["RCPT"] = "450 later"
        await web.authenticate()
        await world.eventually(lambda: stage.has("courier.sent", tries=2))
        world.mailbox.once["RCPT"] = "550 never"
        await web.authenticate()
        await world.eventually(lambda: stage.has("courier.failed"))
        with world.mailbox.held("RCPT"):
            opened = await web.authenticate()
            await world.mailbox.reached("RCPT")
            await web.cancel(opened)
        await world.eventually(lambda: stage.has("courier.too_late"))
        with stage.patch.context() as patch:
            patch.setattr("gateway.delivery.channels.smtp.SmtpChannel.deliver", lambda *_, **__: 1 / 0)
            await web.authenticate()
            await world.eventually(lambda: stage.has("courier.poison"))


async def keys_that_are_gone(stage: Stage) -> None:
    stage.redis.flush()
    async with stage.world(redis=stage.redis.url) as world:
        world.mailbox.answers["RCPT"] = "450 later"
        async with world.open_gateway(courier={"retry_seconds": 10}) as web:
            opened = await web.authenticate()
            await world.eventually(lambda: stage.has("courier.delayed"))
        async with world.open_gateway(keys=[OTHER_SEAL_KEY]) as web:
            await web.status(opened)
            await world.eventually(lambda: stage.has("courier.unreadable"))


async def a_store_that_somebody_writes_to(stage: Stage) -> None:
    stage.redis.flush()
    async with stage.world(redis=stage.redis.url) as world, world.open_gateway() as web:
        opened = await web.authenticate()
        with Redis.from_url(stage.redis.url) as writer:
            [key] = writer.keys("headgate:tx:*")
            unused = writer.get(key)
            await fail(web, opened)
            writer.set(key, unused, keepttl=True)
        await web.status(opened)


@asynccontextmanager
async def a_store_that_goes_away_at(step: tuple[bytes, ...], stage: Stage):
    """A login that waits for its code, and the store is away from *step* on."""
    stage.redis.restart()
    async with (
        Tap.open(stage.redis) as tap,
        stage.world(redis=tap.url, code={"attempts": 20}) as world,
        world.open_gateway() as web,
    ):
        opened = await web.authenticate()
        code = await world.code()
        await fail(web, opened, 9)
        await world.eventually(lambda: stage.has("courier.sent"))
        tap.on(step, stage.redis.stop)
        yield web, opened, code
        await world.eventually(lambda: stage.has("courier.store_unavailable") and stage.has("reaper.store_unavailable"))


async def a_store_that_goes_away(stage: Stage) -> None:
    stage.patch.setattr(parking, "AGAIN_SECONDS", (0.01,))
    async with a_store_that_goes_away_at(HAND, stage) as (web, opened, _):
        await web.cancel(opened)
    async with a_store_that_goes_away_at(REMOVE, stage) as (web, opened, code):
        await web.login(opened, code)
    async with a_store_that_goes_away_at(POST, stage) as (web, opened, _):
        await fail(web, opened)
        await web.status(opened)


async def a_session_that_nobody_can_keep(stage: Stage) -> None:
    for fault in (None, Fault(kind=Kind.SERVER_ERROR, at=Endpoint.LOGOUT)):
        stage.redis.restart()
        async with stage.world(redis=stage.redis.url) as world, world.open_gateway() as web:
            gate = world.drupal.gate = Gate(after_birth=True)
            asking = asyncio.create_task(web.authenticate())
            await gate.reached()
            stage.redis.stop()
            world.drupal.fault = fault
            gate.release()
            await asking
    stage.redis.restart()


async def who_is_exempted_and_who_is_remembered(stage: Stage) -> None:
    remember = {"remember": {"days": 30}}
    stage.redis.flush()
    async with stage.world(redis=stage.redis.url) as world:
        async with world.open_gateway(policy={"exempt_roles": ["kiosk"]}) as web:
            await web.authenticate()
            # The notice: nobody was asked for a code.
            await world.mailbox.mail(1)
        async with world.open_gateway(policy={"require": "observe"}, drupal={"contacts": "off"}) as web:
            await web.authenticate()
        async with world.open_gateway(policy=remember) as web:
            opened = await web.authenticate()
            token = (await web.login(opened, await world.code(2), remember=True))["rememberToken"]
            async with world.open_gateway(policy=remember, keys=[OTHER_SEAL_KEY]) as other:
                await other.authenticate(rememberToken=token)
            before = len(world.mailbox.mails)
            await web.authenticate(rememberToken=token)
            opened = await web.authenticate(rememberToken=token)
            await world.eventually(lambda: any(map(in_mail, world.mailbox.mails[before:])))
            code = next(code for mail in world.mailbox.mails[before:] if (code := in_mail(mail)))
            known = ("tx", "open", "parked", "deadlines", "outbox", "word", "count")
            stage.redis.ask(f"ACL SETUSER default resetkeys {' '.join(f'~headgate:{name}*' for name in known)}")
            try:
                await web.login(opened, code, remember=True)
            finally:
                stage.redis.ask("ACL SETUSER default allkeys")
            stage.secrets.add(token)


async def a_code_that_goes_another_way(stage: Stage) -> None:
    def bug(*_: Any) -> None:
        raise LookupError(PASSWORDS["alice"])

    odd = User(uid=90, name="odd", password="odd-pass-90", mail="odd@example.test", phone="12")
    settings = {"fallback": {"EMAIL": "SMS"}, "flood": {"phone": {"most": 1, "seconds": 86_400}}}
    async with (
        stage.world(**settings) as world,
        world.open_gateway(channels={"sms": {"kind": "console"}}) as web,
    ):
        world.drupal.add_user(odd)
        world.mailbox.answers["RCPT"] = "550 never"
        for name in ("fallback.queued", "fallback.refused"):
            await web.authenticate()
            await world.eventually(lambda name=name: stage.has(name))
        with stage.patch.context() as patch:
            patch.setattr("gateway.login.fallback.Fallback._send", bug)
            await web.authenticate()
            await world.eventually(lambda: stage.has("fallback.error"))
        await web.authenticate(odd.name, odd.password)


async def who_has_an_app(stage: Stage) -> None:
    async with stage.world(**ON) as world, world.open_gateway() as web:
        alice = await enrol(world, web)
        stage.secrets |= {alice.secret, alice.token, *alice.codes}
        for _ in range(PASSWORD_TESTS):
            assert (await web.authenticate("dave", authType=RECOVERY)).code == "not_enrolled"
        await web.login(await web.authenticate(authType=RECOVERY), alice.codes[0])
        token = (await by_mail(world, web))["manageToken"]
        renewed = await ask(web, "recovery-codes", token, currentOtp=alice.codes[2])
        assert (await ask(web, "recovery-codes", token, currentOtp="000000")).code == "wrong_otp"
        stage.secrets |= {token, *renewed["recoveryCodes"]}
        with stage.patch.context() as patch:
            patch.setattr(recovery, "AT_ONCE", 0)
            await web.login(await web.authenticate(authType=RECOVERY), alice.codes[1])


async def what_a_helpdesk_does(stage: Stage) -> None:
    stage.redis.flush()
    device = Device(name=b"n", digest=b"d", client="web", expires_at=time.time() + 60)
    enrolment = Enrolment(uid="2", totp_secret=b"s" * 20, devices=(device,))
    async with stage.world(redis=stage.redis.url) as world:
        settings = Settings.model_validate(world.configuration())
        async with settings.store.open(settings.sealer()) as backend:
            await backend.enrolments.update("2", lambda _: enrolment)
            await backend.counters.take(guesses("2", known_network=False), now=time.time())
        await clear_locks(settings, account="2")
        await remove_devices(settings, account="2")
        await remove_factors(settings, account="2")


async def who_sends_more_than_is_taken(stage: Stage) -> None:
    async with stage.world() as world, world.open_gateway() as web:
        await web.post("authenticate", {}, headers={"Forwarded": "for=192.0.2.60"})
        async with line(web.url) as flooded:
            await flooded.send(request("authenticate", {}) * 4 * MOST_WAITING)
            await world.eventually(lambda: stage.has("http.pipelined"))


async def a_drupal_that_is_not_there_at_start(stage: Stage) -> None:
    async with stage.world() as world:
        nowhere = world.configuration(drupal={"url": f"http://127.0.0.1:{free_port()}"})
        await warn(Settings.model_validate(nowhere))


async def a_process_from_start_to_end(stage: Stage) -> None:
    async with stage.world() as world, start_gateway(world, stage.tmp_path) as process:
        await world.visit(process.url).authenticate()
        assert await process.stop() == 0
    for entry in map(json.loads, process.log):
        stage.events.append({"log_level": entry.pop("level")} | entry | {"timestamp": None})


async def logins_on_pages_of_drupal(stage: Stage) -> None:
    stranger = FROM | {"X-Forwarded-For": "198.51.100.7"}
    policy = {"exempt_networks": ["203.0.113.0/24"]}
    async with (
        stage.world(drupal=WITH_REST) as world,
        guarded(world, guard={"unsealed": "ask"}, policy=policy) as site,
        site.browser() as browser,
        site.browser() as at_work,
    ):
        await browser.log_in()
        await browser.send_code(await world.code())
        await browser.get("/user/2", Authorization="Basic YTpi")
        await browser.change_password("2", PASSWORDS["alice"])
        await at_work.log_in("bob", **FROM)
        await at_work.get("/user/3", **stranger)
        async with site.browser() as thief:
            await thief.get("/user/2", Cookie=f"{SESSION_NAME}={world.drupal.ledger.alive()[0].value}")
        world.drupal.fault = Fault(kind=Kind.SERVER_ERROR, at=Endpoint.LOGIN_STATUS)
        async with site.browser() as nobody_knows:
            await nobody_knows.log_in("bob")
    async with stage.world() as world, guarded(world, guard={"mode": "observe"}) as site, site.browser() as browser:
        await browser.log_in()
        await browser.get("/update.php")
        await world.eventually(lambda: stage.has("guard.would_challenge"))
    async with stage.world(drupal=NAMED_OTHERWISE) as world, guarded(world) as site, site.browser() as browser:
        await browser.log_in()


async def a_site_that_fails_behind_the_proxy(stage: Stage) -> None:
    async def fail(received, peer):
        match received.line.split(b" ")[1]:
            case b"/broken":
                await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nx")
            case b"/invalid":
                await peer.send(b"alice-pass-1\r\n\r\n")
            case b"/timeout":
                await peer.gone()
        peer.close()

    proxy = {"enabled": True, "max_concurrent": 4, "first_byte_seconds": 0.3}
    async with (
        stage.world() as world,
        running(Backend(answer=fail)) as site,
        world.open_gateway(
            drupal={"url": site.url}, public_url="http://localhost", proxy=proxy, guard={"mode": "off"}
        ) as web,
    ):
        for path in ("/broken", "/invalid", "/timeout", "/away"):
            async with line(web.url) as visitor:
                await visitor.send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                with contextlib.suppress(EOFError, ConnectionError):
                    await visitor.reply()
        async with line(web.url) as first, line(web.url) as second, line(web.url) as third:
            for visitor in (first, second, third):
                await visitor.send(b"GET /timeout HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await world.eventually(lambda: stage.has("proxy.busy"))


SCENES = (
    who_logs_in_and_who_is_refused,
    who_leaves,
    what_is_refused_by_configuration,
    what_is_no_http_and_what_is_a_bug,
    who_guesses,
    a_drupal_that_fails,
    a_drupal_that_answers_nobody,
    a_drupal_that_is_busy_or_badly_set_up,
    mail_that_does_not_arrive,
    keys_that_are_gone,
    a_store_that_somebody_writes_to,
    a_store_that_goes_away,
    a_session_that_nobody_can_keep,
    who_is_exempted_and_who_is_remembered,
    a_code_that_goes_another_way,
    who_has_an_app,
    what_a_helpdesk_does,
    who_sends_more_than_is_taken,
    a_drupal_that_is_not_there_at_start,
    a_process_from_start_to_end,
    logins_on_pages_of_drupal,
    a_site_that_fails_behind_the_proxy,
)
