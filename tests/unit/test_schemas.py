"""What a frontend may send, and what of it may be repeated."""

import asyncio
import json

import pytest
from aiohttp import StreamReader
from aiohttp.base_protocol import BaseProtocol
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from gateway.errors import Malformed
from gateway.web.headless.bodies import Authenticate, Login, Logout, Resend, Status, echo_of
from gateway.web.http.app_keys import ECHO
from gateway.web.http.json_body import parse
from gateway.web.http.statuses import MediaType

JSON = ("Content-Type", "application/json")
LOGIN = {"username": "alice", "transactionID": "t", "authType": "EMAIL", "otp": "123456", "apiKey": "key"}


def asked(body, *headers):
    """A request whose body is all there."""
    loop = asyncio.get_running_loop()
    content = StreamReader(BaseProtocol(loop), 2**16, loop=loop)
    content.feed_data(body)
    content.feed_eof()
    return make_mocked_request("POST", "/headless/login", CIMultiDict(headers or (JSON,)), payload=content)


async def read(schema, document):
    return await schema.read(asked(json.dumps(document).encode()))


def nested(levels):
    return b'{"a":' * levels + b"1" + b"}" * levels


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"null",
        b"[]",
        b"1",
        b'"text"',
        b"{",
        b"{}{}",
        b"{} x",
        b"{'a': 1}",
        b'{"a": 1,}',
        b"{a: 1}",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": -Infinity}',
        b'{"a": "\n"}',
        b'{"a": 01}',
        b"\xef\xbb\xbf{}",
        b'{"a": "\xff"}',
        b'{"a": "\xed\xa0\x80"}',
        b'{"a": "\xc0\xaf"}',
        '{"a": 1}'.encode("utf-16"),
        # Two values for one key would be two requests in one, at any depth and however the key is written.
        b'{"username": "alice", "username": "bob"}',
        b'{"username": "alice", "usern\\u0061me": "alice"}',
        b'{"a": [{"b": 1, "b": 1}]}',
        nested(9),
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"a": ' + b"[" * 8 + b"]" * 8 + b"}",
    ],
    ids=lambda body: repr(body[:30]),
)
def test_what_is_no_small_json_object_is_malformed(body):
    with pytest.raises(Malformed) as refused:
        parse(body)

    assert refused.value.reason == "json"
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


@pytest.mark.parametrize(
    "body", [b"{}", b' {"a": [1, 2.5, true, null]} \n', nested(8), b'{"a": "\\ud83d\\ude00"}', b'{"": ""}']
)
def test_eight_levels_of_whatever_are_an_object(body):
    assert isinstance(parse(body), dict)


def test_a_number_of_any_length_is_accepted_and_not_read():
    assert parse(b'{"a": ' + b"9" * 15_000 + b', "b": 1e999}')["a"] == 0


@given(st.dictionaries(st.text(), st.one_of(st.text(), st.booleans(), st.none()), max_size=5))
def test_text_arrives_as_it_was_sent(document):
    assert parse(json.dumps(document).encode()) == document


@given(st.binary(max_size=200))
def test_any_bytes_are_an_object_or_malformed(body):
    try:
        document = parse(body)
    except Malformed:
        return
    assert isinstance(document, dict)


@pytest.mark.parametrize(
    "headers",
    [
        [("X", "x")],
        [("Content-Type", "")],
        [("Content-Type", "text/plain")],
        [("Content-Type", "application/x-www-form-urlencoded")],
        [("Content-Type", "application/json-patch+json")],
        [("Content-Type", "application/json; charset=latin-1")],
        [JSON, ("Content-Type", "text/plain")],
        [JSON, JSON],
        [JSON, ("Content-Encoding", "gzip")],
        [JSON, ("Content-Encoding", "identity")],
    ],
    ids=str,
)
async def test_what_would_skip_a_preflight_is_no_request(headers):
    with pytest.raises(MediaType):
        await Login.read(asked(json.dumps(LOGIN).encode(), *headers))


LONGEST = {"username": 254, "transactionID": 128, "authType": 128, "otp": 64, "apiKey": 128}


@pytest.mark.parametrize(("key", "most"), LONGEST.items())
async def test_a_field_may_be_as_long_as_documented_and_no_longer(key, most):
    assert await read(Login, LOGIN | {key: "ü" * most})
    with pytest.raises(Malformed):
        await read(Login, LOGIN | {key: "ü" * (most + 1)})


async def test_a_password_may_have_512_characters():
    body = {"username": "alice", "password": "🔑" * 512, "apiKey": "key"}

    assert (await read(Authenticate, body)).password == "🔑" * 512
    with pytest.raises(Malformed):
        await read(Authenticate, body | {"password": "x" * 513})


@pytest.mark.parametrize("key", LOGIN)
@pytest.mark.parametrize(
    "value", [None, 1, 1.5, True, [], ["alice", "bob"], {}, "a\0b", "\0", "\ud800", "a\udfff"], ids=repr
)
async def test_a_field_that_is_no_usable_text_is_malformed(key, value):
    with pytest.raises(Malformed) as refused:
        await read(Login, LOGIN | {key: value})

    assert refused.value.__suppress_context__


@pytest.mark.parametrize("key", sorted(LOGIN.keys() - {"apiKey"}))
async def test_a_field_that_is_missing_is_malformed(key):
    with pytest.raises(Malformed):
        await read(Login, {name: value for name, value in LOGIN.items() if name != key})


async def test_a_missing_api_key_is_an_unknown_one():
    assert (await read(Logout, {})).api_key == ""


@pytest.mark.parametrize("value", ["true", 1, 0, "yes", None])
async def test_remember_is_true_or_false_and_nothing_like_it(value):
    with pytest.raises(Malformed):
        await read(Login, LOGIN | {"remember": value})


async def test_what_may_be_left_out_may_be_null():
    body = {"username": "alice", "password": "p", "authType": None}

    assert (await read(Authenticate, body)).auth_type is None
    assert (await read(Resend, LOGIN | {"switchTo": None})).switch_to is None


async def test_unknown_keys_are_ignored():
    assert await read(Login, LOGIN | {"extra": {"a": [1]}, "api_key": "x", "remember": True})


async def test_texts_are_neither_trimmed_nor_normalised():
    body = {"username": " e\u0301 ", "password": "  \u212b ", "apiKey": " key "}

    read_body = await read(Authenticate, body)

    assert (read_body.username, read_body.password, read_body.api_key) == tuple(body.values())


async def test_nothing_of_a_body_shows_in_what_may_be_logged():
    body = dict.fromkeys(LOGIN, "private") | {"password": "private"}
    shown = [repr(await read(schema, body | {"authType": "EMAIL"})) for schema in (Authenticate, Login, Resend, Status)]

    assert "private" not in str(shown)


@pytest.mark.parametrize(
    ("schema", "echoed"),
    [
        (Authenticate, {"username", "transactionID", "authType"}),
        (Login, {"username", "transactionID", "authType"}),
        (Status, {"username", "transactionID"}),
        (Logout, set()),
    ],
)
async def test_an_answer_repeats_its_own_keys_and_never_a_secret(schema, echoed):
    request = asked(json.dumps(LOGIN | {"password": "p"}).encode())
    await schema.read(request)

    assert set(request[ECHO]) == echoed


async def test_a_malformed_body_is_echoed_as_far_as_it_is_well_formed():
    request = asked(json.dumps(LOGIN | {"otp": 1}).encode())
    with pytest.raises(Malformed):
        await Login.read(request)

    assert request[ECHO] == {"username": "alice", "transactionID": "t", "authType": "EMAIL"}


@pytest.mark.parametrize(
    "value", [None, 1, True, [], {}, "a\0", "\ud800", "x" * 255], ids=lambda value: repr(value)[:9]
)
def test_what_would_not_be_accepted_is_not_repeated(value):
    assert echo_of({"username": value}, ["username"]) == {}


def test_names_are_repeated_longer_than_the_rest():
    document = {"username": "u" * 254, "authType": "a" * 129}

    assert echo_of(document, document) == {"username": "u" * 254}
