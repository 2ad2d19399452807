"""A dump of Redis and everything that was logged: no secret in any plain encoding, and none that trying brings back
(promises 5 and 6)."""

import asyncio
import base64
import hashlib
import itertools
import json
import re
import zlib
from collections.abc import Iterable
from urllib.parse import quote, urlsplit

import pytest

from gateway.demo.drupal.accounts import User
from tests.chaos.accounts import code_for
from tests.chaos.forms import form
from tests.chaos.peers import Request
from tests.world import KEY, SERVER_KEY, cookie_pair, wrong

pytestmark = pytest.mark.chaos

MARKER = "garbage-marker-7d41f0"
ADDRESSES = ("203.0.113.57", "2001:db8:4711:815::9")
USER_AGENT = "Mozilla/5.0 (secret-of-the-browser)"
USERS = (
    User(
        uid=500,
        name="zaphod.beeblebrox",
        password="heart-of-gold-42",
        mail="zaphod@betelgeuse.example",
        phone="+4915112345678",
    ),
    User(
        uid=501,
        name="Ünïcode Täster",
        password="pässwörd-✓-geheim",
        mail="unicode.taster@example.test",
        phone="+4915187654321",
    ),
    User(
        uid=502,
        name='quo"ter\\<&>',
        password="a\"b'c\\d🔑<e>&%00;",
        mail="the.quoter@example.test",
        phone="+4915111223344",
    ),
    User(
        uid=503,
        name="trillian.mcmillan",
        password="white-mice-4711",
        mail="trillian@earth.example",
        phone="+4915199887766",
    ),
)


# What a secret looks like when it is not hidden


def spellings(secret: str) -> set[bytes]:
    """*secret* in clear and in every plain encoding."""
    raw = secret.encode()
    escaped = "".join(f"\\u{unit:04x}" for unit in utf16_units(secret))
    found = {
        raw,
        raw.hex().encode(),
        raw.hex().upper().encode(),
        json.dumps(secret)[1:-1].encode(),
        escaped.encode(),
        escaped.upper().replace("\\U", "\\u").encode(),
        "".join(f"\\x{octet:02x}" for octet in raw).encode(),
        repr(raw)[2:-1].encode(),
        quote(secret, safe="").encode(),
        "".join(f"%{octet:02X}" for octet in raw).encode(),
        "".join(f"%{octet:02x}" for octet in raw).encode(),
        secret.encode("utf-16-le"),
        secret.encode("utf-16-be"),
        raw[::-1],
    }
    for encoded in (raw, secret.encode("utf-16-le")):
        found |= base64_forms(encoded)
    return {spelling for spelling in found if len(spelling) >= 6}


def utf16_units(text: str) -> Iterable[int]:
    encoded = text.encode("utf-16-be")
    return (int.from_bytes(encoded[at : at + 2]) for at in range(0, len(encoded), 2))


def base64_forms(raw: bytes) -> set[bytes]:
    """What base64 shows of *raw* wherever it begins; letters that also hold a neighbour's bits are left out."""
    forms = set()
    for before in range(3):
        text = base64.b64encode(b"\0" * before + raw)
        first = -(-before * 8 // 6)
        core = text[first : (before + len(raw)) * 8 // 6]
        forms |= {core, core.translate(bytes.maketrans(b"+/", b"-_"))}
    return forms


def leaks(haystack: bytes, secrets: dict[str, Iterable[str]]) -> list[tuple[str, str, bytes]]:
    return [
        (kind, secret, spelling)
        for kind, each in secrets.items()
        for secret in each
        for spelling in spellings(secret)
        if occurs(spelling, haystack)
    ]


def occurs(spelling: bytes, haystack: bytes) -> bool:
    if spelling.isdigit() and len(spelling) <= 8:
        # Six digits stand in many a time stamp; a code would stand alone.
        return re.search(rb"(?<![0-9])" + spelling + rb"(?![0-9])", haystack) is not None
    return spelling in haystack


# What an attacker finds who has the dump and no key


class Attacker:
    """Looks for any plain hash of a candidate, whole or cut, raw, in hex or in base64."""

    HASHES = (hashlib.md5, hashlib.sha1, hashlib.sha256, hashlib.sha512)

    def __init__(self, dump: bytes) -> None:
        # Everything is brought down to raw bytes once, so that a candidate costs one look.
        windows = {dump[at : at + 8] for at in range(len(dump) - 7)}
        for run in re.finditer(rb"[0-9a-fA-F]{16,}", dump):
            text = run[0]
            windows |= {bytes.fromhex(text[at : at + 16].decode()) for at in range(len(text) - 15)}
        for run in re.finditer(rb"[0-9A-Za-z+/_-]{11,}", dump):
            text = run[0].translate(bytes.maketrans(b"-_", b"+/"))
            windows |= {base64.b64decode(text[at : at + 11] + b"=")[:8] for at in range(len(text) - 10)}
        self._windows = windows
        # Four bytes occur by chance; as a whole word they don't.
        self._words = set(re.findall(rb"[0-9A-Za-z+/_=-]+", dump))

    def recovers(self, candidates: Iterable[str]) -> list[str]:
        return [candidate for candidate in candidates if self._knows(candidate.encode())]

    def _knows(self, candidate: bytes) -> bool:
        for made in self.HASHES:
            digest = made(candidate).digest()
            if digest[:8] in self._windows or digest[-8:] in self._windows:
                return True
        crc = zlib.crc32(candidate)
        return b"%08x" % crc in self._words or b"%d" % crc in self._words


def codes() -> Iterable[str]:
    return (f"{number:06}" for number in range(1_000_000))


def network(address: str) -> Iterable[str]:
    """All IPv4 addresses of its /16."""
    front = ".".join(address.split(".")[:2])
    return (f"{front}.{third}.{fourth}" for third, fourth in itertools.product(range(256), repeat=2))


# A run that leaves something of everything


@pytest.fixture
async def run(world, start, redis_server):
    """What was secret in it, the dump from its middle, and all that both processes logged."""
    for user in USERS:
        world.drupal.add_user(user)
    audit = {"log": {"level": "debug", "format": "json"}}
    processes = await start(audit, audit)
    secrets: dict[str, set[str]] = {
        "password": {user.password for user in USERS} | {"another-wrong-password-1"},
        "name": {user.name for user in USERS} | {"nobody.of.that.name"},
        "mail": {user.mail for user in USERS},
        "phone": {user.phone for user in USERS},
        "key": {KEY, SERVER_KEY},
        "browser": {USER_AGENT},
        **{kind: set() for kind in ("code", "id", "cookie", "token")},
    }
    opened = []
    for number, user in enumerate(USERS):
        frontend = world.visit(
            processes[number % 2].url,
            key=SERVER_KEY,
            headers={"X-Forwarded-For": ADDRESSES[number % 2], "User-Agent": USER_AGENT},
        )
        assert (await frontend.authenticate(user.name, "another-wrong-password-1")).status == 401
        opened.append((frontend, user, await frontend.authenticate(user.name, user.password)))
        assert opened[-1][2].status == 200
    for _, user, waiting in opened:
        secrets["code"].add(await code_for(world, user))
        secrets["id"].add(waiting["transactionID"])
    await frontend.authenticate("nobody.of.that.name", "another-wrong-password-1")
    for frontend, user, waiting in opened[:3]:
        code = await code_for(world, user)
        assert (await frontend.login(waiting, wrong(code))).code == "wrong_otp"
        await frontend.status(waiting)
    with world.mailbox.held("DATA"):
        # A mail on its way, a login that was won, one that was cancelled, and one or two that wait.
        frontend, user, waiting = opened[0]
        await frontend.resend(waiting)
        frontend, user, waiting = opened[3]
        won = await frontend.login(waiting, await code_for(world, user))
        assert won.status == 200
        await opened[2][0].cancel(opened[2][2])
        await asyncio.gather(*(talk_garbage(process.url) for process in processes))
        dump = redis_server.dump()
    for session in world.drupal.ledger.sessions:
        secrets["cookie"].add(session.value)
        secrets["token"] |= {session.csrf_token, session.logout_token}
    secrets["cookie"].add(cookie_pair(won.cookies[0]))
    for process in processes:
        await process.stop()
    logged = "".join(line for process in processes for line in process.log).encode()
    return secrets, dump, logged


async def talk_garbage(url: str) -> None:
    """Everything that is no request, each with a marker in it."""
    marker = MARKER.encode()
    good = Request(url, "authenticate", {})
    garbage = [
        marker,
        b"GET /" + marker + b" HTTP/9.9\r\n\r\n",
        b"POST /headless/login HTTP/1.1\r\n" + marker + b"\r\n\r\n",
        b"POST /headless/login HTTP/1.1\r\nHost: x\r\n" + marker + b": \0\r\n\r\n",
        b"POST /headless/login HTTP/1.1\r\nHost: x\r\nContent-Length: " + marker + b"\r\n\r\n",
        b"POST /headless/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n"
        + marker
        + b"\r\n",
        b"POST /headless/" + marker + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
        b"\x16\x03\x01" + marker,
        good.head.replace(b"Content-Length: 2", b"X-Request-ID: " + marker + b"\r\nContent-Length: %d" % len(marker))
        + marker,
        b'POST /headless/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 40\r\n\r\n{"apiKey":"'
        + marker,
        b"GET /headless/login?" + marker + b" HTTP/1.1\r\nHost: x\r\nAuthorization: Basic " + marker + b"\r\n\r\n",
    ]
    for bytes_ in garbage:
        reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(url).port)
        writer.write(bytes_)
        writer.write_eof()
        try:
            async with asyncio.timeout(5):
                assert marker not in await reader.read(-1)
        except ConnectionError:
            pass
        finally:
            writer.close()


async def test_a_dump_and_the_logs_show_nothing_and_give_nothing_to_who_tries_everything(run):
    secrets, dump, logged = run
    assert len(dump) > 3000
    assert all(secrets.values())
    # Searched for at all: what is there is found.
    assert b"headgate:tx:" in dump
    assert b"headgate:parked:" in dump
    assert b"headgate:outbox" in dump
    assert b"headgate:count:" in dump
    assert b"headgate:word:" in dump
    assert b"login.ok" in logged
    assert b"http.malformed" in logged

    assert leaks(dump, secrets | {"address": ADDRESSES}) == []
    assert leaks(logged, secrets | {"marker": [MARKER]}) == []
    events = [json.loads(line) for line in logged.decode().splitlines() if line.startswith("{")]
    assert {event["address"] for event in events if event.get("address")} == {*ADDRESSES, "127.0.0.1"}
    assert not [event for event in events if any(found in json.dumps(event | {"address": ""}) for found in ADDRESSES)]
    # Before anybody's uid is known, an event carries a name under a key.
    assert [event for event in events if event["event"] == "authenticate.credentials" and event.get("account")]

    attacker = Attacker(dump)
    numbers = {f"+49151{number:08}" for number in range(form(short=20_000, long=1_000_000))}
    assert attacker.recovers(codes()) == []
    assert attacker.recovers(network(ADDRESSES[0])) == []
    assert attacker.recovers({ADDRESSES[1], "2001:db8:4711:815::/64", "2001:db8:4711:815::"}) == []
    assert attacker.recovers(numbers | secrets["phone"]) == []
    # Not the ids: they are stored as digests, and nobody tries all of 256 bits.
    for kind in ("mail", "name", "password", "cookie", "token", "key"):
        assert attacker.recovers(secrets[kind] | {secret.casefold() for secret in secrets[kind]}) == []


def test_the_search_finds_every_spelling_at_every_place():
    secret = "heart-of-gold-42"
    hidden = [
        secret.encode(),
        *(base64.b64encode(b"x" * front + secret.encode() + b"yz") for front in range(4)),
        *(base64.urlsafe_b64encode(b"x" * front + secret.encode() + b"yz") for front in range(4)),
        secret.encode("utf-16-le"),
        base64.b64encode(("ab" + secret).encode("utf-16-le")),
        secret.encode().hex().encode(),
        "".join(f"\\u00{ord(letter):02x}" for letter in secret).encode(),
        quote("pässwörd-✓-geheim", safe="").encode(),
        json.dumps("pässwörd-✓-geheim").encode(),
        b'{"otp": "123456"}',
    ]
    wanted = {"any": [secret, "pässwörd-✓-geheim", "123456"]}

    assert all(leaks(b"\0garbage" + each + b"garbage", wanted) for each in hidden)
    assert not leaks(b"1791234567.8912", wanted)


@pytest.mark.parametrize("made", Attacker.HASHES, ids=lambda made: made().name)
def test_the_attack_would_work_on_plain_hashes(made):
    address, code = "203.0.113.57", "004711"
    for hidden in (
        made(address.encode()).digest(),
        made(address.encode()).digest()[:8],
        made(address.encode()).hexdigest().encode(),
        made(address.encode()).hexdigest().upper().encode()[:20],
        base64.b64encode(made(address.encode()).digest()),
        base64.urlsafe_b64encode(made(address.encode()).digest())[:12],
    ):
        attacker = Attacker(b"headgate:count:flood.address:" + hidden + b"\0\1\2")

        assert attacker.recovers(f"203.0.113.{number}" for number in range(256)) == [address]
    assert Attacker(b"code:" + made(code.encode()).hexdigest().encode()).recovers(["004710", code]) == [code]
    assert Attacker(b"count:%08x:" % zlib.crc32(code.encode())).recovers([code]) == [code]
