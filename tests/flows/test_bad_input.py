"""No body and no header of a client reaches Drupal unless it is well-formed, and none causes a 500."""

import asyncio
import gzip
import json
import os
import random
import re
import time

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from gateway.web.http import json_body
from tests.wire import ask, assert_ours, line, post, request
from tests.world import KEY

KIB_16 = 16 * 1024
MARKER = "q7Zx-marker"
LONG = bool(os.environ.get("HEADGATE_LONG"))
SEED = int(os.environ.get("HEADGATE_SEED", random.randrange(2**32) if LONG else 1))
EXAMPLES = 2000 if LONG else 260

VALID = {
    "authenticate": {"username": "alice", "password": "alice-pass-1", "apiKey": KEY},
    "login": {"username": "alice", "transactionID": "x" * 43, "authType": "EMAIL", "otp": "000000", "apiKey": KEY},
    "resend": {"username": "alice", "transactionID": "x" * 43, "authType": "EMAIL", "apiKey": KEY},
    "status": {"username": "alice", "transactionID": "x" * 43, "apiKey": KEY},
    "cancel": {"username": "alice", "transactionID": "x" * 43, "apiKey": KEY},
    "logout": {"apiKey": KEY, "logout_token": "x"},
    "totp/enroll": {"apiKey": KEY, "manageToken": "x"},
    "totp/confirm": {"apiKey": KEY, "manageToken": "x", "otp": "000000"},
    "totp/remove": {"apiKey": KEY, "manageToken": "x", "otp": "000000"},
    "recovery-codes": {"apiKey": KEY, "manageToken": "x"},
}
BOTH = ["authenticate", "login"]


@pytest.fixture
def store():
    """What is refused here never comes to a store."""
    return {"kind": "memory"}


def nested(levels):
    document = MARKER
    for _ in range(levels):
        document = [document]
    return document


def with_extra(endpoint, text):
    """A valid body with `text` as the value of one more key, as raw JSON."""
    return json.dumps(VALID[endpoint])[:-1].encode() + b', "extra": ' + text + b"}"


def bodies(endpoint):
    """Malformed bodies by what is wrong with them; most carry the marker."""
    valid = VALID[endpoint]
    text = json.dumps(valid)
    raw = text.encode()
    yield "empty", b""
    yield "blanks", b"   \r\n"
    yield "a BOM", b"\xef\xbb\xbf" + raw
    yield "UTF-16", text.encode("utf-16")
    yield "bad UTF-8", raw.replace(b"alice", b"ali\xff\xfe" + MARKER.encode())
    yield "an overlong encoding", raw.replace(b"alice", b"\xc0\xaf")
    yield "a raw surrogate", raw.replace(b"alice", b"\xed\xa0\x80")
    yield "cut short", raw[:-1]
    yield "something after it", raw + b" x" + MARKER.encode()
    yield "two objects", raw + raw
    yield "single quotes", text.replace('"', "'").encode()
    yield "a comment", b"/* " + MARKER.encode() + b" */" + raw
    yield "a trailing comma", raw[:-1] + b",}"
    yield "a control character", raw.replace(b"alice", b"ali\nce")
    yield "a form", f"username=alice&password={MARKER}".encode()
    yield "XML", f"<a>{MARKER}</a>".encode()
    for value in (b"null", b"true", b"1", b'"' + MARKER.encode() + b'"', b"[]", b"[" + raw + b"]", b"{}"):
        yield f"{value[:12]!r}", value
    for word in (b"NaN", b"Infinity", b"-Infinity", b"nan", b"undefined", b"01", b"1.", b"+1", b"0x1", b"1e"):
        yield f"{word!r}", with_extra(endpoint, word)
    yield "9,000 brackets open", b"[" * 9_000
    yield "16,000 brackets", b"[" * 8_000 + b"]" * 8_000
    yield "16,000 braces", b'{"a":' * 3_200
    yield "deep inside", with_extra(endpoint, b"[" * 7_000 + b"]" * 7_000)
    yield "nine levels", with_extra(endpoint, json.dumps(nested(8)).encode())
    yield "a key twice", raw[:-1] + b', "apiKey": "' + MARKER.encode() + b'"}'
    yield "a key twice in another spelling", raw[:-1] + b', "user\\u006eame": "' + MARKER.encode() + b'"}'
    yield "a key twice inside", with_extra(endpoint, b'{"a": 1, "a": 2}')
    for key in valid:
        if key != "apiKey":
            yield f"no {key}", {name: value for name, value in valid.items() if name != key}
            yield (
                f"{key} in capitals",
                {(name.upper() if name == key else name): value for name, value in valid.items()},
            )
        for value in (None, 1, 1.5, True, [], {}, ["alice", "bob"], {"0": MARKER}, [[MARKER]]):
            if not (key == "logout_token" and value is None):
                yield f"{key}: {value!r}", valid | {key: value}
        yield f"NUL in {key}", valid | {key: f"alice\0{MARKER}"}
        yield (
            f"a lone surrogate in {key}",
            raw.replace(json.dumps(valid[key]).encode(), b'"\\ud800' + MARKER.encode() + b'"'),
        )
        yield (
            f"a low surrogate in {key}",
            raw.replace(json.dumps(valid[key]).encode(), b'"\\udc00' + MARKER.encode() + b'"'),
        )
        yield f"{key} too long", valid | {key: "x" * 513 + MARKER}
    yield "username of 255", valid | {"username": "ü" * 255}
    yield "apiKey of 129", valid | {"apiKey": "x" * 129}
    for key, longest in (("password", 512), ("otp", 64), ("transactionID", 128), ("authType", 128)):
        if key in valid:
            yield f"{key} of {longest + 1}", valid | {key: "x" * (longest + 1)}
    if endpoint == "login":
        for value in (None, 1, "true", []):
            yield f"remember: {value!r}", valid | {"remember": value}
    if endpoint == "authenticate":
        for value in (1, [], {}, True, "x" * 129, "a\0b"):
            yield f"authType: {value!r}", valid | {"authType": value}


SHAPED = {(endpoint, what): body for endpoint in BOTH for what, body in bodies(endpoint)}


@pytest.mark.parametrize("endpoint", BOTH)
def test_a_malformed_body_is_400_and_drupal_hears_nothing(served, endpoint):
    before = served.drupal_calls

    async def everything():
        for (where, what), body in SHAPED.items():
            if where == endpoint:
                reply = await post(served.world.url, endpoint, body)
                assert (reply.status, reply.code) == (400, "malformed"), (what, reply)
                assert_ours(reply)
                assert MARKER.encode() not in reply.raw, what

    served.run(everything())

    assert served.drupal_calls == before


def test_the_other_endpoints_refuse_the_same(served):
    async def everything():
        for endpoint in ("resend", "status", "cancel"):
            for what, body in bodies(endpoint):
                reply = await post(served.world.url, endpoint, body)
                assert (reply.status, reply.code) == (400, "malformed"), (endpoint, what, reply)
                assert_ours(reply)

    served.run(everything())


def test_logout_refuses_what_is_no_object_or_no_text(served):
    harmless = ("no logout_token", "logout_token in capitals", "username of 255", "a key twice in another spelling")

    async def everything():
        for what, body in bodies("logout"):
            if what not in harmless and body != json.dumps(VALID["logout"]).encode():
                reply = await post(served.world.url, "logout", body)
                assert (reply.status, reply.code) == (400, "api_key" if body == b"{}" else "malformed"), (what, reply)

    served.run(everything())


def test_a_username_that_is_malformed_is_not_echoed_and_one_that_is_well_formed_is(served):
    valid = VALID["authenticate"]
    for username in ("ali\0ce", "x" * 255, 7):
        reply = served.run(post(served.world.url, "authenticate", valid | {"username": username, "apiKey": "?"}))
        assert "username" not in reply.body
    reply = served.run(post(served.world.url, "authenticate", valid | {"password": 7}))
    assert reply.body["username"] == "alice"


@pytest.mark.parametrize("name", ["</script><b>", 'a"b\\c', "été ✓ 🔑", "\u202eevil", "a\r\nSet-Cookie: x=y", " ", ""])
def test_a_username_is_echoed_as_json_and_nothing_else(served, name):
    reply = served.run(post(served.world.url, "login", VALID["login"] | {"username": name}))

    assert reply.body["username"] == name
    assert "Set-Cookie" not in reply.headers
    assert reply.headers["X-Content-Type-Options"] == "nosniff"


def test_what_we_do_not_know_is_let_be(served):
    more = {"a": 9.5, "b": None, "c": [[1]], "remember": False, "number": 10**400}

    reply = served.run(post(served.world.url, "login", VALID["login"] | more))

    assert reply.code == "transaction_closed"


def test_a_number_of_nine_thousand_digits_as_a_field_is_malformed(served):
    raw = json.dumps(VALID["login"]).encode().replace(b'"000000"', b"9" * 9_000)

    assert served.run(post(served.world.url, "login", raw)).code == "malformed"


def padded(size, endpoint="authenticate"):
    raw = json.dumps(VALID[endpoint] | {"apiKey": "unknown"}).encode()
    return raw + b" " * (size - len(raw))


def chunked(endpoint, *chunks, end=b"0\r\n\r\n"):
    head = request(endpoint, b"", "Transfer-Encoding: chunked", length=-1)
    return head + b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + end


@pytest.mark.parametrize("endpoint", BOTH)
@pytest.mark.parametrize("how", ["with a length", "in chunks", "in small chunks"])
def test_sixteen_kib_are_accepted_and_a_byte_more_is_not(served, endpoint, how):
    def sent(size):
        body = padded(size, endpoint)
        if how == "with a length":
            return request(endpoint, body)
        step = 100 if how == "in small chunks" else size
        return chunked(endpoint, *(body[at : at + step] for at in range(0, size, step)))

    exactly = served.run(ask(served.world.url, sent(KIB_16)))
    more = served.run(ask(served.world.url, sent(KIB_16 + 1)))

    assert exactly.code == "api_key"
    assert (more.status, more.code) == (413, "too_large")
    assert_ours(more)
    assert "username" not in more.body


def test_a_length_of_gigabytes_is_refused_before_it_comes(served):
    reply = served.run(post(served.world.url, "authenticate", b"", length=10**12))

    assert (reply.status, reply.code) == (413, "too_large")


TYPES = [
    None,
    "",
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "text/json",
    "application/json-seq",
    "application/vnd.api+json",
    "application/jsonx",
    "*/*",
    "json",
    "application/json; charset=bogus",
    "application/json; charset=iso-8859-1",
    "application/json; charset=utf-16",
    "application/json; charset=utf-7",
    "text/plain, application/json",
]


@pytest.mark.parametrize("endpoint", VALID)
def test_another_content_type_is_415(served, endpoint):
    async def everything():
        for content_type in TYPES:
            reply = await post(served.world.url, endpoint, VALID[endpoint], content_type=content_type)
            assert (reply.status, reply.code) == (415, "media_type"), content_type
            assert_ours(reply)
            assert reply.body.keys() == {"status", "message", "code"}

    before = served.drupal_calls
    served.run(everything())

    assert served.drupal_calls == before


@pytest.mark.parametrize("second", ["application/json", "text/plain"])
def test_two_content_types_are_none(served, second):
    reply = served.run(post(served.world.url, "login", VALID["login"], f"Content-Type: {second}"))

    assert reply.status in (400, 415)
    assert_ours(reply)


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON",
        "application/json;charset=utf-8",
        'application/json; charset="UTF-8"',
        "application/json; charset=utf8",
    ],
)
def test_the_ways_to_say_json_in_utf8_are_accepted(served, content_type):
    assert (
        served.run(post(served.world.url, "login", VALID["login"], content_type=content_type)).code
        == "transaction_closed"
    )


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "identity", "nonsense", ""])
def test_a_compressed_body_is_415_whatever_is_in_it(served, encoding):
    bomb = gzip.compress(b"0" * 10_000_000)[:KIB_16]

    for body in (bomb, json.dumps(VALID["login"]).encode()):
        reply = served.run(post(served.world.url, "login", body, f"Content-Encoding: {encoding}"))
        assert (reply.status, reply.code) == (415, "media_type")


async def test_a_body_that_is_cut_short_leaves_nothing_behind(world, frontend, events):
    whole = request("authenticate", VALID["authenticate"])
    for cut in (1, 20, 60):
        async with line(world.url) as open_line:
            await open_line.send(whole[:-cut])
            open_line.finish()
            assert await open_line.rest() == b"" or cut
    async with line(world.url) as open_line:
        await open_line.send(chunked("authenticate", b'{"username":', end=b"5\r\nab"))
        open_line.reset()

    assert (await frontend.authenticate("bob")).status == 200
    assert len(world.drupal.called("/user/login")) == 1
    assert not [event for event in events if event["log_level"] == "error"]


async def test_a_body_that_drips_is_given_up(world, frontend, monkeypatch):
    monkeypatch.setattr(json_body, "BODY_SECONDS", 0.2)
    began = time.monotonic()
    async with line(world.url) as open_line:
        await open_line.send(request("authenticate", VALID["authenticate"])[:-5])
        reply = await open_line.reply()

    assert (reply.status, reply.code) == (400, "malformed")
    assert time.monotonic() - began < 2
    assert not world.drupal.calls


async def test_after_a_refused_body_the_connection_serves_the_next_request_or_closes(world, frontend):
    for bad in (b"[" * 9_000, padded(KIB_16 + 1), b"{}"):
        async with line(world.url) as open_line:
            await open_line.send(request("login", bad))
            first = await open_line.reply()
            assert first.status in (400, 413)
            try:
                await open_line.send(request("login", VALID["login"]))
                second = await open_line.reply()
            except (EOFError, ConnectionError):
                continue
            assert second.code == "transaction_closed"


async def test_many_huge_bodies_at_once_are_all_refused(world, frontend):
    async def one():
        async with line(world.url) as open_line:
            await open_line.send(request("authenticate", b"x" * 100_000))
            return (await open_line.reply()).status

    assert set(await asyncio.gather(*(one() for _ in range(50)))) == {413}


# What hypothesis makes. Bodies that could be valid carry an unknown apiKey, so that Drupal has no reason to be asked.

relaxed = settings(
    max_examples=EXAMPLES, deadline=None, database=None, print_blob=True, suppress_health_check=list(HealthCheck)
)
not_text = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.lists(st.text(max_size=3), max_size=3),
    st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
    st.text(max_size=5).map(lambda text: text + "\0"),
    st.text(min_size=513, max_size=600),
    st.sampled_from(["\ud800", "a\udfff"]),
)
junk = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=8), st.lists, max_leaves=8)


def refused(served, reply, *, statuses=range(400, 500)):
    assert reply.status in statuses
    assert_ours(reply)


@pytest.fixture(scope="module")
def untouched(served):
    """Nothing of all this may reach Drupal; the seed stands with a failure."""
    print(f"HEADGATE_SEED={SEED}")
    before = served.drupal_calls
    yield served
    assert served.drupal_calls == before


@seed(SEED)
@relaxed
@given(data=st.data())
def test_a_field_that_is_not_usable_text_is_always_malformed(untouched, data):
    endpoint = data.draw(st.sampled_from(["authenticate", "login", "resend", "status", "cancel"]))
    key = data.draw(st.sampled_from(list(VALID[endpoint])))
    body = (
        VALID[endpoint] | data.draw(st.dictionaries(st.text(max_size=4), junk, max_size=2)) | {key: data.draw(not_text)}
    )

    reply = untouched.run(post(untouched.world.url, endpoint, json.dumps(body).encode()))

    assert reply.code == "malformed"
    refused(untouched, reply, statuses=[400])


@seed(SEED)
@relaxed
@given(data=st.data())
def test_a_body_with_bytes_changed_is_always_refused(untouched, data):
    endpoint = data.draw(st.sampled_from(list(VALID)))
    body = bytearray(json.dumps(VALID[endpoint] | {"apiKey": "unknown"}).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body) - 1))
        match data.draw(st.sampled_from(["flip", "cut", "insert", "double"])):
            case "flip":
                body[at] = data.draw(st.integers(0, 255))
            case "cut":
                del body[at : at + data.draw(st.integers(1, 9))]
            case "insert":
                body[at:at] = data.draw(st.binary(min_size=1, max_size=6))
            case "double":
                body[at:at] = body[at:]
        body = body or bytearray(b"x")

    refused(untouched, untouched.run(post(untouched.world.url, endpoint, bytes(body))))


@seed(SEED)
@relaxed
@given(data=st.data())
def test_a_body_cut_into_any_chunks_is_read_the_same(untouched, data):
    body = json.dumps(VALID["login"] | {"apiKey": "unknown"}).encode()
    chunks = []
    while body:
        size = data.draw(st.integers(1, len(body)))
        chunks, body = [*chunks, body[:size]], body[size:]

    reply = untouched.run(ask(untouched.world.url, chunked("login", *chunks)))

    assert reply.code == "api_key"
    refused(untouched, reply)


header_names = st.sampled_from(
    [
        "X-A",
        "Content-Type",
        "Content-Length",
        "Transfer-Encoding",
        "Content-Encoding",
        "Host",
        "Expect",
        "Connection",
        "Cookie",
    ]
    + [
        "Origin",
        "X-Forwarded-For",
        "Forwarded",
        "Upgrade",
        "Accept",
        "Range",
        "TE",
        "Trailer",
        "X-HTTP-Method-Override",
        "\xff",
        "",
    ]
)
header_values = st.one_of(
    st.binary(max_size=30).map(lambda raw: raw.decode("utf-8", "surrogateescape")),
    st.sampled_from(
        [
            "chunked",
            "gzip, chunked",
            "0",
            "-1",
            "1e3",
            "close",
            "100-continue",
            "null",
            "for=_x",
            "1.2.3.4, ::1",
            "a" * 9000,
        ]
    ),
)


@seed(SEED)
@relaxed
@given(st.lists(st.tuples(header_names, header_values), min_size=1, max_size=4))
def test_any_headers_get_our_json_or_a_closed_connection(untouched, headers):
    lines = [f"{name}: {value}" for name, value in headers]
    sent = request("login", VALID["login"] | {"apiKey": "unknown"}, *lines)

    async def exchange():
        async with line(untouched.world.url) as open_line:
            try:
                await open_line.send(sent)
                open_line.finish()
                return await open_line.rest()
            except ConnectionError:
                return b""

    for answer in filter(None, re.split(rb"HTTP/1\.[01] ", untouched.run(exchange()))):
        if not answer.startswith(b"100 "):
            assert answer.startswith(b"4")
            assert b"X-Answered-By: headgate" in answer
            assert b"\r\nX-Request-ID: " in answer


HEADERS = [
    "Accept",
    "Accept-Charset",
    "Accept-Encoding",
    "Accept-Language",
    "Access-Control-Request-Headers",
    "Access-Control-Request-Method",
    "Authorization",
    "Cache-Control",
    "Connection",
    "Content-Disposition",
    "Content-Encoding",
    "Content-Language",
    "Content-Type",
    "Cookie",
    "Date",
    "Expect",
    "Forwarded",
    "From",
    "Host",
    "If-Match",
    "If-Modified-Since",
    "If-None-Match",
    "If-Range",
    "If-Unmodified-Since",
    "Keep-Alive",
    "Max-Forwards",
    "Origin",
    "Prefer",
    "Range",
    "Referer",
    "Sec-Fetch-Site",
    "Sec-WebSocket-Key",
    "TE",
    "Trailer",
    "Upgrade",
    "User-Agent",
    "Via",
    "X-Forwarded-For",
    "X-HTTP-Method-Override",
    "X-Request-ID",
]
ODD = ["", "\udc80", "\udcff\udcfe", "é", "\N{KEY}", ";;;", "=", '"', "\t", ",", "a" * 8000, "%", "\x7f"]
PATHS = [
    "POST status",
    "OPTIONS status",
    "GET openapi.json",
    "GET docs",
    "GET nowhere",
    "POST ../nowhere",
    "PUT status",
]


@pytest.mark.parametrize("header", HEADERS)
def test_no_header_makes_a_500(untouched, header):
    async def exchange(method, endpoint, value):
        sent = request(endpoint, VALID["status"] | {"apiKey": "unknown"}, f"{header}: {value}", method=method)
        async with line(untouched.world.url) as open_line:
            await open_line.send(sent)
            return await open_line.reply()

    async def exchanges():
        return await asyncio.gather(*(exchange(*path.split(), value) for path in PATHS for value in ODD))

    for answer in untouched.run(exchanges()):
        assert answer.status < 500
        assert answer.headers["X-Answered-By"] == "headgate"
