"""Sealing, and values as bytes."""

import json
import os
from base64 import b64encode
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.account import Device, DrupalSession, Enrolment, Grant
from gateway.interfaces import Message
from gateway.sealing import Sealer, SealKey, Unsealable
from gateway.store import codec
from gateway.transaction import State, Transaction

INDEX_KEY = bytes(range(32))
OLD, NEW = SealKey.fresh("2024"), SealKey.fresh("2025")
NAME = "headgate:tx:key"

text = st.text(st.characters(exclude_categories=()))
numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(0, 2**40)

profiles = st.dictionaries(text, st.lists(st.dictionaries(text, st.none() | st.booleans() | numbers | text)))

transactions = st.builds(
    Transaction,
    uid=text,
    client=text,
    username=text,
    auth_type=text,
    methods=st.lists(text).map(tuple),
    secret=st.binary(),
    mail=st.none() | text,
    phone=st.none() | text,
    language=text,
    profile=profiles,
    opened_at=numbers,
    expires_at=numbers,
    attempts_left=st.integers(),
    resends_left=st.integers(),
    resend_at=numbers,
    messages=st.lists(text).map(tuple),
    state=st.sampled_from(State),
    closed_at=numbers,
    version=st.integers(0, 2**32),
)
sessions = st.builds(
    DrupalSession,
    uid=text,
    cookie_name=text,
    cookie_value=text,
    set_cookie=text,
    csrf_token=text,
    logout_token=text,
    name=text,
    roles=st.lists(text).map(tuple),
)
messages = st.builds(
    Message,
    id=text,
    uid=text,
    subject=st.sampled_from(["code", "locked", "replayed"]),
    transaction=st.none() | text,
    channel=text,
    to=text,
    language=text,
    username=text,
    browser=text,
    asked_at=numbers,
    deadline=numbers,
)
enrolments = st.builds(
    Enrolment,
    uid=text,
    totp_secret=st.none() | st.binary(),
    last_step=st.integers(),
    recovery_hashes=st.lists(text).map(tuple),
    devices=st.lists(
        st.builds(
            Device,
            name=st.binary(),
            digest=st.binary(),
            client=text,
            expires_at=numbers,
            before=st.none() | st.binary(),
        )
    ).map(tuple),
    pending=st.none() | st.binary(),
    pending_until=numbers,
    revoked_at=numbers,
    version=st.integers(0, 2**32),
)

grants = st.builds(Grant, uid=text, username=text, mail=st.none() | text, language=text, at=numbers, method=text)

PAIRS = [
    (codec.encode_transaction, codec.decode_transaction, transactions),
    (codec.encode_credential, codec.decode_credential, sessions),
    (codec.encode_message, codec.decode_message, messages),
    (codec.encode_enrolment, codec.decode_enrolment, enrolments),
    (codec.encode_grant, codec.decode_grant, grants),
]
EXAMPLES = [
    (codec.encode_credential, codec.decode_credential, DrupalSession(**dict.fromkeys(
        ["uid", "cookie_name", "cookie_value", "set_cookie", "csrf_token", "logout_token"], "x"
    ))),
    (codec.encode_enrolment, codec.decode_enrolment, Enrolment(uid="17")),
    (codec.encode_grant, codec.decode_grant, Grant(uid="17", username="alice", at=1, method="EMAIL")),
    (codec.encode_message, codec.decode_message, Message(
        id="m", uid="17", channel="sms", to="1", asked_at=1, deadline=2
    )),
    (codec.encode_transaction, codec.decode_transaction, Transaction(
        uid="17", client="web", username="alice", auth_type="EMAIL", methods=("EMAIL",), secret=b"s", opened_at=1,
        expires_at=2, attempts_left=5, resends_left=3, resend_at=1,
    )),
]  # fmt: skip


FIRST_VERSION = bytes.fromhex("839866680e5405313231273319a407cd68a0a6e4725b5b2588d9481680cdd631d201196ea8138d623800")
PACKED = {codec.encode_transaction, codec.encode_credential}


def plain_of(written: bytes) -> bytes:
    return written if written.startswith(b"[") else codec._unpack(written)


def as_written_by(encode, plain: bytes) -> bytes:
    return codec._pack(plain) if encode in PACKED else plain


@pytest.fixture
def sealer():
    return Sealer([NEW, OLD], INDEX_KEY)


@pytest.mark.parametrize(("encode", "decode", "values"), PAIRS)
def test_whatever_is_written_is_read_back(encode, decode, values):
    @given(values)
    def every(value):
        assert decode(encode(value)) == value

    every()


@pytest.mark.parametrize(("encode", "decode", "value"), EXAMPLES)
def test_every_field_is_written(encode, decode, value):
    """A field that is added to a value and forgotten here would come back as its default."""
    written = json.loads(plain_of(encode(value)))

    assert len(written) == 1 + len(type(value).__dataclass_fields__)


@pytest.mark.parametrize(("encode", "decode", "value"), EXAMPLES)
def test_another_version_is_not_guessed_at(encode, decode, value):
    fields = json.loads(plain_of(encode(value)))

    with pytest.raises(Unsealable):
        decode(as_written_by(encode, json.dumps([fields[0] + 1, *fields[1:]]).encode()))


@pytest.mark.parametrize(("encode", "decode", "value"), EXAMPLES)
def test_a_value_with_a_field_too_many_or_with_more_behind_it_is_not_read(encode, decode, value):
    plain = plain_of(encode(value))

    for longer in (plain[:-1] + b",0]", plain + b"0", plain + b"[]"):
        with pytest.raises(Unsealable):
            decode(as_written_by(encode, longer))


@pytest.mark.parametrize("profile", ["", "[]", "7", "null", "{", "{}{}"])
def test_a_profile_that_is_no_object_is_not_read(profile):
    [*_, (encode, decode, transaction)] = EXAMPLES
    plain = plain_of(encode(transaction)).replace(b'"{}"', json.dumps(profile).encode())

    with pytest.raises(Unsealable):
        decode(codec._pack(plain))


@dataclass(frozen=True, kw_only=True)
class AToken:
    uid: str
    access: bytes


class TestASecondKindOfCredential:
    """Another kind is one more table."""

    TOKEN: ClassVar = codec._Table(
        AToken,
        version=102,
        fields="uid access",
        forms={"access": codec._BYTES},
        older={101: lambda items: [items[0], ""]},
    )
    BOTH: ClassVar = codec._PackedCodec(codec._Union(codec._SESSION, TOKEN))

    def test_is_written_and_read_beside_the_first(self):
        [(_, _, session), *_] = EXAMPLES

        for credential in (session, AToken(uid="17", access=b"\x00token\xff")):
            assert self.BOTH.decode(self.BOTH.encode(credential)) == credential

    def test_leaves_the_first_as_it_was_written_before(self):
        [(encode, _, session), *_] = EXAMPLES

        assert self.BOTH.encode(session) == encode(session)

    def test_is_read_in_its_older_versions(self):
        assert self.BOTH.decode(codec._pack(b'[101,"17"]')) == AToken(uid="17", access=b"")

    def test_is_not_read_by_a_release_that_does_not_know_it(self):
        with pytest.raises(Unsealable):
            codec.decode_credential(self.BOTH.encode(AToken(uid="17", access=b"token")))


def test_an_enrolment_of_before_there_were_devices_is_still_read():
    written = b'[1,7,"17","AHNlY3JldP8=",3,["a","b"]]'

    assert codec.decode_enrolment(written) == Enrolment(
        uid="17", totp_secret=b"\x00secret\xff", last_step=3, recovery_hashes=("a", "b"), version=7
    )


@pytest.mark.parametrize(("encode", "decode", "value"), EXAMPLES)
@pytest.mark.parametrize(
    "plain",
    [b"", b"[", b"[]", b"[1]", b"{}", b"7", b"null", b"\xff", b'[1,"a"]', b"[[]]", b"[{}]", b"[" * 100_000],
    ids=lambda plain: repr(plain)[:20],
)
def test_what_is_no_value_is_not_read_as_one(encode, decode, value, plain):
    with pytest.raises(Unsealable):
        decode(as_written_by(encode, plain))
    with pytest.raises(Unsealable):
        decode(plain)


@pytest.mark.parametrize(("encode", "decode", "value"), EXAMPLES)
def test_nothing_that_was_cut_short_is_read(encode, decode, value):
    written = encode(value)

    for length in range(len(written)):
        with pytest.raises(Unsealable):
            decode(written[:length])


def test_the_format_of_what_lies_in_stores_stays_as_it_is():
    """The first version wrote this. A change of its fields or of the dictionary makes what is stored unreadable."""
    [*_, (_, _, transaction)] = EXAMPLES

    assert codec.decode_transaction(FIRST_VERSION) == transaction


@pytest.mark.parametrize(("schema", "since"), [("2", ""), ("3", ",null,0.0,5.5")], ids=["pending", "names"])
def test_an_enrolment_of_before_devices_had_names_is_still_read_without_them(schema, since):
    written = f'[{schema},7,"17","AHNlY3JldP8=",3,["a"],[["AA==","web",17.5,["/w=="]]]{since}]'.encode()

    assert codec.decode_enrolment(written) == Enrolment(
        uid="17",
        totp_secret=b"\x00secret\xff",
        last_step=3,
        recovery_hashes=("a",),
        revoked_at=5.5 if since else 0.0,
        version=7,
    )


def test_what_is_usual_costs_little():
    profile = {"uid": [{"value": 17}], "name": [{"value": "alice"}], "mail": [{"value": "alice@example.org"}]}
    value = replace(EXAMPLES[-1][2], profile=profile, mail="alice@example.org", opened_at=1800000000.123456)

    assert len(codec.encode_transaction(value)) < 100


@pytest.mark.parametrize("rest", [[1], [2, True]], ids=["version 1", "version 2"])
def test_a_message_of_an_older_release_is_read_and_names_no_account(rest):
    version, *network = rest
    fields = [version, "m", "code", "t", "sms", "1", "en", "alice", "Firefox", 1.0, 2.0, *network]

    read = codec.decode_message(json.dumps(fields).encode())

    assert (read.id, read.to, read.known_network, read.uid) == ("m", "1", bool(network), "")


def test_a_grant_of_an_older_release_names_no_method():
    assert codec.decode_grant(b'[1,"17","alice",null,"en",1.0]').method == ""


def test_a_messages_length_tells_nothing_of_what_its_parts_have_in_common():
    alike = Message(
        id="m", uid="17", channel="email", to="alice@example.org", browser="alice@example.org", asked_at=1, deadline=2
    )
    different = replace(alike, browser="bobby@anything.net")

    assert len(codec.encode_message(alike)) == len(codec.encode_message(different)) - 1


def test_what_was_sealed_is_opened(sealer):
    assert sealer.open("transaction", NAME, sealer.seal("transaction", NAME, b"plain")) == b"plain"


def test_sealing_the_same_twice_shows_nothing_of_it(sealer):
    assert sealer.seal("transaction", NAME, b"plain") != sealer.seal("transaction", NAME, b"plain")


def test_the_first_key_seals(sealer):
    sealed = sealer.seal("parked", NAME, b"plain")

    assert Sealer([NEW], INDEX_KEY).open("parked", NAME, sealed) == b"plain"
    with pytest.raises(Unsealable):
        Sealer([OLD], INDEX_KEY).open("parked", NAME, sealed)


def test_another_key_of_the_same_id_opens_nothing(sealer):
    sealed = sealer.seal("parked", NAME, b"plain")

    with pytest.raises(Unsealable):
        Sealer([SealKey.fresh(NEW.id)], INDEX_KEY).open("parked", NAME, sealed)


def test_what_was_moved_to_another_name_does_not_open(sealer):
    sealed = sealer.seal("transaction", NAME, b"plain")

    with pytest.raises(Unsealable):
        sealer.open("transaction", "headgate:tx:other", sealed)


def test_what_was_sealed_for_one_purpose_does_not_open_for_another(sealer):
    sealed = sealer.seal("transaction", NAME, b"plain")

    with pytest.raises(Unsealable):
        sealer.open("enrolment", NAME, sealed)


def test_no_bit_can_be_changed(sealer):
    sealed = sealer.seal("transaction", NAME, b"plain")

    for at in range(len(sealed) * 8):
        changed = bytearray(sealed)
        changed[at // 8] ^= 1 << at % 8
        with pytest.raises(Unsealable):
            sealer.open("transaction", NAME, bytes(changed))


def test_nothing_that_was_cut_short_opens(sealer):
    sealed = sealer.seal("transaction", NAME, b"plain")

    for length in range(len(sealed)):
        with pytest.raises(Unsealable):
            sealer.open("transaction", NAME, sealed[:length])


@given(st.binary(max_size=80))
def test_no_other_bytes_open(noise):
    with pytest.raises(Unsealable):
        Sealer([NEW], INDEX_KEY).open("transaction", NAME, noise)


def test_an_index_is_the_same_for_whoever_has_the_key_and_survives_a_rotation(sealer):
    assert sealer.index("mail", "alice@example.org") == Sealer([OLD], INDEX_KEY).index("mail", "alice@example.org")
    assert sealer.index("mail", "alice@example.org") != Sealer([NEW], bytes(32)).index("mail", "alice@example.org")


def test_an_index_is_128_bits_without_padding(sealer):
    assert len(sealer.index("a")) == 22
    assert len({sealer.index(str(each)) for each in range(1000)}) == 1000


@pytest.mark.parametrize(
    ("one", "other"), [(["ab", "c"], ["a", "bc"]), (["a"], ["a", ""]), (["1:a"], ["1", "a"]), (["a", "b"], ["b", "a"])]
)
def test_parts_of_an_index_are_kept_apart(sealer, one, other):
    assert sealer.index(*one) != sealer.index(*other)


def test_an_index_takes_any_text_that_json_can_bring(sealer):
    assert sealer.index("\ud800") != sealer.index("\udfff")


def test_a_key_is_read_from_its_text():
    secret = os.urandom(32)

    key = SealKey.parse(f" 2025-a:{b64encode(secret).decode()}\n")

    assert key == SealKey(id="2025-a", secret=secret)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nothing",
        ":" + b64encode(bytes(32)).decode(),
        "no spaces:" + b64encode(bytes(32)).decode(),
        "x" * 33 + ":" + b64encode(bytes(32)).decode(),
        "short:" + b64encode(b"sixteen bytes ok").decode(),
        "long:" + b64encode(bytes(33)).decode(),
        "odd:c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2Vj*",
        "uneven:c2VjcmV0c2VjcmV0c",
        "foreign:äöü",
    ],
)
def test_what_is_no_key_is_refused_without_repeating_it(text):
    with pytest.raises(ValueError) as refused:
        SealKey.parse(text)

    assert text == "" or text.rpartition(":")[2] not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


def test_a_key_does_not_show(sealer):
    assert "secret" not in repr(NEW)
    assert repr(NEW.secret) not in repr(NEW)


def test_sealing_needs_keys_of_different_ids():
    with pytest.raises(ValueError):
        Sealer([], INDEX_KEY)
    with pytest.raises(ValueError):
        Sealer([NEW, replace(OLD, id=NEW.id)], INDEX_KEY)
