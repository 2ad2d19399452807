"""The table of errors: every one has a status, a word and a sentence, and looks like the contract says."""

import pytest

from gateway import errors
from gateway.errors import GatewayError
from gateway.web.http.client_ip import ClientGone
from gateway.web.http.error_answers import problem
from gateway.web.http.statuses import STATUS, WORDS, HttpError, MediaType, TooLarge, status_of

CONTRACT = {
    "malformed": 400,
    "api_key": 400,
    "credentials": 401,
    "wrong_otp": 403,
    "transaction_closed": 403,
    "not_enrolled": 403,
    "login_blocked": 403,
    "session_ended": 403,
    "password_grant": 403,
    "origin": 403,
    "disabled": 404,
    "method": 405,
    "too_large": 413,
    "media_type": 415,
    "misdirected": 421,
    "no_destination": 422,
    "flood": 429,
    "too_soon": 429,
    "account_locked": 429,
    "internal": 500,
    "drupal_invalid": 502,
    "policy_unreadable": 502,
    "drupal_unavailable": 503,
    "drupal_busy": 503,
    "store_unavailable": 503,
    "delivery_unavailable": 503,
    "factor_busy": 503,
    "drupal_timeout": 504,
}
ARGUMENTS = {
    errors.WrongOtp: {"attempts_left": 2},
    errors.Throttled: {"retry_after": 7.2},
    errors.Unavailable: {"retry_after": 7.2},
}


def family(kind):
    return [kind, *(grandchild for child in kind.__subclasses__() for grandchild in family(child))]


# HttpError is only a parent, and a client that is gone gets no answer.
ANSWERED = [kind for kind in family(GatewayError) if kind not in (HttpError, ClientGone)]


def made(kind):
    arguments = next((given for parent, given in ARGUMENTS.items() if issubclass(kind, parent)), {})
    return kind(**arguments)


@pytest.mark.parametrize("kind", ANSWERED)
def test_every_error_has_a_status_a_word_and_a_sentence_of_the_contract(kind):
    answer = problem(made(kind), {"username": "alice"})

    assert CONTRACT[kind.word] == answer.status == status_of(kind)
    assert kind.sentence.strip()
    assert b'"code":"%b"' % kind.word.encode() in answer.body
    assert b'"username":"alice"' in answer.body


@pytest.mark.parametrize("kind", [kind for kind in ANSWERED if hasattr(made(kind), "retry_after")])
def test_a_client_that_has_to_wait_is_told_how_long_in_whole_seconds(kind):
    assert problem(made(kind), {}).headers["Retry-After"] == "8"


@pytest.mark.parametrize("kind", [kind for kind in ANSWERED if status_of(kind) in (429, 503)])
def test_429_and_503_always_say_when_to_come_back(kind):
    assert "Retry-After" in problem(made(kind), {}).headers


def test_even_without_a_wait_a_client_waits_a_second():
    assert problem(errors.Flood(retry_after=0), {}).headers["Retry-After"] == "1"


def test_the_table_names_every_error_but_those_that_answer_like_their_parent():
    for kind in ANSWERED:
        assert kind in STATUS or kind in (TooLarge, MediaType) or kind.__mro__[1] in ANSWERED


def test_a_reason_is_for_events_alone():
    for kind in (
        errors.Malformed,
        errors.UnknownApiKey,
        errors.BadCredentials,
        errors.TransactionClosed,
        errors.DrupalInvalid,
    ):
        assert b"a-reason" not in problem(kind("a-reason"), {}).body


def test_only_failed_codes_say_failed():
    failed = {kind for kind in ANSWERED if b'"status":"FAILED"' in problem(made(kind), {}).body}

    assert failed == {errors.WrongOtp, errors.TransactionClosed}


def test_what_http_refuses_has_words_too():
    assert {word for word, _ in WORDS.values()} <= CONTRACT.keys() | {"not_found"}
    assert all(sentence for _, sentence in WORDS.values())
