"""What lies in Redis: sealed, bounded in time, and openable by the keys it was sealed with."""

import asyncio
import json
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import replace

import pytest
from redis import Redis
from structlog.testing import capture_logs

from gateway.account import Device, Enrolment
from gateway.errors import StoreUnavailable, TransactionClosed
from gateway.flood.limits import guesses
from gateway.interfaces import Backend
from gateway.limit import Limit
from gateway.sealing import Sealer
from gateway.store import RedisOptions
from tests.contracts.stores import INDEX_KEY, NEW, OLD, SEALER, a_message, a_session, a_transaction, redis_options
from tests.redis_server import RedisServer

SECRETS = [
    "alice.planted@example.org",
    "Alice Plänted",
    "+41790000123",
    "planted-cookie-value-0123456789",
    "planted-csrf-token-0123456789",
    "planted-logout-token-0123456789",
    "planted profile field",
    "Planted Browser 1.0",
    "planted-totp-secret!",
    "planted-code-secret!",
    "planted-recovery-hash",
    "planted-device-digest",
    "planted-unconfirmed!",
]
(MAIL, NAME, PHONE, COOKIE, CSRF, LOGOUT, PROFILE, BROWSER, TOTP, SECRET, RECOVERY, DEVICE, PENDING) = SECRETS

# Whoever adds a key here must say why it may stay for ever.
FOR_EVER = {b"headgate:deadlines", b"headgate:outbox", b"headgate:marker"}
FOR_EVER_UNDER = (b"headgate:enrolment:", b"headgate:count:lock.hard:")


@pytest.fixture
def raw(redis_server: RedisServer) -> Iterator[Redis]:
    with Redis.from_url(redis_server.url) as raw:
        yield raw


def planted_transaction(**fields):
    return a_transaction(
        username=NAME, mail=MAIL, phone=PHONE, profile={"field": [{"value": PROFILE}]}, secret=SECRET.encode(), **fields
    )


async def fill(backend: Backend) -> None:
    """Leave something of every kind, in every state it can be in."""
    now = time.time()
    for key in ("open", "won", "ended"):
        await backend.transactions.create(key, planted_transaction(), most=3, now=now)
    await backend.transactions.update("won", lambda old: old.attempt(accepted=True, now=now))
    await backend.transactions.update("ended", lambda old: old.end(now=now))
    session = a_session(cookie_value=COOKIE, set_cookie=COOKIE, csrf_token=CSRF, logout_token=LOGOUT, name=NAME)
    await backend.parked.park("open", session, due_at=now + 300)
    await backend.parked.park("won", session, due_at=now)
    await backend.parked.claim(now=now, lease_seconds=60, most=1)
    for each in ("new", "held", "done"):
        await backend.outbox.put(a_message(each, to=MAIL, username=NAME, browser=BROWSER))
    done = await backend.outbox.claim(courier="one", most=2, wait_seconds=0)
    await backend.outbox.finish(done[1], word="sent", until=now + 60)
    full = Limit(name="lock.hard", key="lock.hard:18", most=1, seconds=60, until_unlocked=True)
    destination = Limit(name="destination", key=SEALER.index("destination", MAIL), most=5, seconds=60)
    await backend.counters.take([*guesses("17", known_network=False), full, destination], now=now)
    device = Device(name=DEVICE.encode(), digest=DEVICE.encode(), client="web", expires_at=now + 60)
    enrolment = Enrolment(
        uid="17",
        totp_secret=TOTP.encode(),
        recovery_hashes=(RECOVERY,),
        devices=(device,),
        pending=PENDING.encode(),
        pending_until=now,
    )
    await backend.enrolments.update("17", lambda _: enrolment)
    await backend.enrolments.initialise()


def forms(secret: str) -> Iterator[bytes]:
    """Every plain way of writing *secret*; base64 at each of the three places where it may start."""
    for plain in {secret.encode(), secret.encode("utf-16-le"), secret.encode("utf-16-be")}:
        yield plain
        yield plain.hex().encode()
        yield plain.hex().upper().encode()
        yield plain[::-1]
        for start in range(3):
            shifted = b64encode(b"." * start + plain)
            # The first and the last group may share bits with what stands beside.
            yield shifted[4:-4]
            yield urlsafe_b64encode(b"." * start + plain)[4:-4]
    yield json.dumps(secret)[1:-1].encode()
    yield json.dumps(json.dumps(secret))[3:-3].encode()


async def test_nothing_planted_is_readable_in_a_dump(redis_server, raw):
    async with redis_options(redis_server).open(SEALER) as backend:
        await fill(backend)

    dump = redis_server.dump()

    assert len(raw.keys()) >= 10
    assert [secret for secret in SECRETS for form in forms(secret) if form in dump] == []


def test_a_dump_would_show_what_is_not_sealed(redis_server, raw):
    for at, form in enumerate(form for secret in SECRETS for form in forms(secret)):
        raw.set(f"planted{at}", b"before" + form + b"after")

    dump = redis_server.dump()

    assert [secret for secret in SECRETS for form in forms(secret) if form not in dump] == []


async def test_every_key_but_data_has_a_ttl(redis_server, raw):
    async with redis_options(redis_server).open(SEALER) as backend:
        await fill(backend)

    keys = raw.keys()
    lasting = {key for key in keys if raw.ttl(key) == -1}

    assert all(key.startswith(b"headgate:") for key in keys)
    assert {key for key in lasting if key not in FOR_EVER and not key.startswith(FOR_EVER_UNDER)} == set()
    assert b"headgate:count:lock.hard:18" in lasting
    assert b"headgate:count:lock.hard:17" not in lasting


async def test_a_clock_that_was_set_back_keeps_a_pending_login_no_longer(redis_server, raw):
    """Its own process would refuse the code, but one that was started afterwards may not."""
    now = time.time()
    async with redis_options(redis_server).open(SEALER, clock=lambda: now - 3600) as backend:
        await backend.transactions.create("key", a_transaction(opened_at=now, expires_at=now + 300), most=3, now=now)
        await backend.transactions.update("key", lambda old: old.attempt(accepted=False, now=now))

    assert raw.ttl("headgate:tx:key") in range(290, 301)


async def test_a_parked_session_lives_as_long_as_drupals_cookie(redis_server, raw):
    async with redis_options(redis_server).open(SEALER) as backend:
        await fill(backend)

    assert raw.ttl("headgate:parked:open") in range(1_999_990, 2_000_001)


async def test_a_pending_login_takes_less_than_a_thousand_bytes(redis_server, raw):
    async with redis_options(redis_server).open(SEALER) as backend:
        await backend.transactions.create("k" * 22, a_transaction(), most=3, now=time.time())
        await backend.parked.park("k" * 22, a_session(), due_at=time.time() + 300)

    assert sum(raw.memory_usage(key, samples=0) for key in raw.keys()) < 1000  # noqa: SIM118


async def test_what_an_old_key_sealed_opens_after_a_new_one_was_put_first(redis_server):
    async with redis_options(redis_server).open(Sealer([OLD], INDEX_KEY)) as before:
        await fill(before)

    async with redis_options(redis_server).open(Sealer([NEW, OLD], INDEX_KEY)) as after:
        assert (await after.transactions.find("open")).username == NAME
        assert (await after.parked.take_for_handover("open", until=time.time())).cookie_value == COOKIE
        [message] = await after.outbox.claim(courier="two", most=1, wait_seconds=0)
        assert message.message.to == MAIL
        assert (await after.enrolments.find("17")).totp_secret == TOTP.encode()
        assert await after.enrolments.initialised()


async def test_after_its_key_is_gone_everything_is_unknown_and_said_to_be(redis_server, raw):
    async with redis_options(redis_server).open(Sealer([OLD], INDEX_KEY)) as before:
        await fill(before)

    async with redis_options(redis_server).open(Sealer([NEW], INDEX_KEY)) as after:
        with capture_logs() as events:
            with pytest.raises(TransactionClosed):
                await after.transactions.find("open")
            with pytest.raises(TransactionClosed):
                await after.parked.take_for_handover("open", until=time.time())
            assert await after.parked.claim(now=time.time() + 1e6, lease_seconds=1, most=10) == []
            [claimed] = await after.outbox.claim(courier="two", most=1, wait_seconds=0)
            # Not None: who lost a key must not let everybody in without the factor.
            with pytest.raises(StoreUnavailable):
                await after.enrolments.find("17")
            with pytest.raises(StoreUnavailable):
                await after.enrolments.initialised()

    assert claimed.message is None
    assert raw.zcard("headgate:deadlines") == 0
    assert {(event["event"], event["purpose"]) for event in events} == {
        ("store.unsealable", purpose) for purpose in ("transaction", "parked", "outbox", "enrolment")
    }
    assert {name for event in events for name in event} == {"event", "purpose", "log_level"}


async def test_what_was_sealed_anew_outlives_the_old_key(redis_server, raw):
    uids = {str(uid) for uid in range(2500)}
    async with redis_options(redis_server).open(Sealer([OLD], INDEX_KEY)) as before:
        await before.enrolments.initialise()
        for uid in uids:
            await before.enrolments.update(uid, lambda _, uid=uid: Enrolment(uid=uid, totp_secret=TOTP.encode()))
    async with redis_options(redis_server).open(SEALER) as rotating:
        await rotating.enrolments.initialise()
        # A key may come twice.
        anew = [await rotating.enrolments.reseal(uid) async for uid in rotating.enrolments.uids()]

    async with redis_options(redis_server).open(Sealer([NEW], INDEX_KEY)) as after:
        assert await after.enrolments.initialised()
        assert {uid async for uid in after.enrolments.uids()} == uids
        for uid in uids:
            assert (await after.enrolments.find(uid)).totp_secret == TOTP.encode()

    assert anew.count(True) == len(uids)
    assert {raw.ttl(key) for key in raw.keys("headgate:*")} == {-1}


async def test_a_change_that_is_made_meanwhile_is_not_lost(redis_server):
    uids = [str(uid) for uid in range(50)]
    async with redis_options(redis_server).open(Sealer([OLD], INDEX_KEY)) as before:
        for uid in uids:
            await before.enrolments.update(uid, lambda _, uid=uid: Enrolment(uid=uid))
    async with redis_options(redis_server).open(SEALER) as one, redis_options(redis_server).open(SEALER) as other:
        await one.ping()
        await other.ping()

        async def change(uid: str) -> None:
            await one.enrolments.update(uid, lambda old: replace(old, last_step=59))

        await asyncio.gather(*map(other.enrolments.reseal, uids), *map(change, uids))

        assert {(await other.enrolments.find(uid)).last_step for uid in uids} == {59}


async def test_a_marker_that_does_not_open_is_not_written_over(redis_server, raw):
    async with redis_options(redis_server).open(Sealer([OLD], INDEX_KEY)) as before:
        await before.enrolments.initialise()
    there = raw.get("headgate:marker")

    async with redis_options(redis_server).open(Sealer([NEW], INDEX_KEY)) as other:
        with pytest.raises(StoreUnavailable) as refused:
            await other.enrolments.initialise()

    assert refused.value.reason == "unsealable"
    assert raw.get("headgate:marker") == there


async def test_a_message_that_can_not_be_read_ends_as_failed_and_does_not_come_again(redis_server):
    async with redis_options(redis_server).open(Sealer([OLD], INDEX_KEY)) as before:
        await before.outbox.put(a_message("m1"))
    async with redis_options(redis_server).open(Sealer([NEW], INDEX_KEY)) as after:
        [claimed] = await after.outbox.claim(courier="two", most=1, wait_seconds=0)

        await after.outbox.finish(claimed, word="failed", until=time.time() + 60)

        assert await after.outbox.words(["m1"]) == ["failed"]
        assert await after.outbox.claim(courier="two", most=1, wait_seconds=0.5) == []


@pytest.mark.parametrize("fields", [{"anything": "else"}, {"id": "m1"}, {"sealed": b""}, {"id": b"\xff", "sealed": b"\x03abc"}])  # fmt: skip
async def test_a_malformed_entry_is_handed_out_to_be_dropped(redis_server, raw, fields):
    raw.xadd("headgate:outbox", fields)
    async with redis_options(redis_server).open(SEALER) as backend:
        [claimed] = await backend.outbox.claim(courier="one", most=5, wait_seconds=0)
        assert claimed.message is None

        await backend.outbox.finish(claimed, word="failed", until=time.time() + 60)

    assert raw.xlen("headgate:outbox") == 0


async def test_a_transaction_that_was_moved_to_another_key_is_unknown(redis_server, raw):
    async with redis_options(redis_server).open(SEALER) as backend:
        await backend.transactions.create("mine", a_transaction(), most=3, now=time.time())
        raw.rename("headgate:tx:mine", "headgate:tx:yours")

        with pytest.raises(TransactionClosed):
            await backend.transactions.find("yours")


async def test_a_transaction_with_another_version_in_front_is_unknown(redis_server, raw):
    async with redis_options(redis_server).open(SEALER) as backend:
        await backend.transactions.create("key", a_transaction(), most=3, now=time.time())
        raw.setrange("headgate:tx:key", 0, "00000007")

        with pytest.raises(TransactionClosed):
            await backend.transactions.find("key")


async def test_an_enrolment_made_after_a_deletion_is_not_mistaken_for_the_deleted_one(redis_server):
    """Else a TOTP step that was being spent meanwhile would bring back the old secret."""
    old, new = Enrolment(uid="17", totp_secret=b"old"), Enrolment(uid="17", totp_secret=b"new")
    async with redis_options(redis_server).open(SEALER) as backend:
        versions = set()
        for enrolment in (old, new):
            stored = await backend.enrolments.update("17", lambda _, enrolment=enrolment: enrolment)
            versions.add(stored.version)
            await backend.enrolments.update("17", lambda _: None)

    assert len(versions) == 2


async def test_couriers_that_are_gone_do_not_pile_up(redis_server, raw, monkeypatch):
    monkeypatch.setattr("gateway.store.redis.outbox._GONE_MILLISECONDS", 0)
    for each in range(5):
        async with redis_options(redis_server).open(SEALER) as backend:
            await backend.outbox.put(a_message(f"m{each}"))
            [claimed, *_] = await backend.outbox.claim(courier=f"courier{each}", most=1, wait_seconds=0)
            if each:
                await backend.outbox.finish(claimed, word="sent", until=time.time() + 60)
            await asyncio.sleep(0.002)

    couriers = {courier["name"] for courier in raw.xinfo_consumers("headgate:outbox", "couriers")}

    # The first still holds a message, and the last was just here.
    assert couriers == {b"courier0", b"courier4"}


def test_an_address_with_a_password_does_not_show():
    options = RedisOptions(url="redis://user:hunter2@127.0.0.1:6379/0")

    assert "hunter2" not in repr(options)
    assert "hunter2" not in str(options.model_dump())


@pytest.mark.parametrize("url", ["http://:hunter2@x", "hunter2", "redis://:hunter2@x:port", "redis://h/?hunter2=1", "rediss://h/?ssl_cert_reqs=hunter2"])  # fmt: skip
def test_what_is_no_address_of_redis_is_refused_without_repeating_it(url):
    with pytest.raises(ValueError) as refused:
        RedisOptions(url=url)

    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("url", ["redis://h", "rediss://u:p@h:1/2", "unix:///run/redis.sock?db=1", "rediss://h/?ssl_ca_certs=/x.pem"])  # fmt: skip
def test_addresses_of_redis_are_taken(url):
    assert RedisOptions(url=url).url.get_secret_value() == url
