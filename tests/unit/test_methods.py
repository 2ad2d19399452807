"""What is sent for a login, and what is not while it asks for something that was enrolled."""

import pytest

from gateway.auth_types import AuthType
from gateway.login.methods import awaited, destinations, messages, next_method, was_sent
from tests.contracts.stores import a_transaction

FALLBACK = {"SMS": "EMAIL"}


def by_text(auth_type):
    return a_transaction(
        auth_type=auth_type, methods=("SMS", "EMAIL", AuthType.AUTHENTICATOR, AuthType.RECOVERY_CODE), messages=("sms-m1",), phone="+15550100001"
    )  # fmt: skip


def test_a_login_waits_for_the_code_that_was_sent():
    pending = by_text("SMS")

    assert awaited(pending) == ("sms-m1",)
    assert destinations(pending) == [("sms", "+15550100001")]
    assert next_method(pending, FALLBACK) == "EMAIL"
    assert not was_sent(pending, "SMS")


@pytest.mark.parametrize("method", [AuthType.AUTHENTICATOR, AuthType.RECOVERY_CODE])
def test_while_something_enrolled_is_asked_for_nothing_is_sent_not_even_instead_of_what_fails(method):
    pending = by_text(method)

    assert awaited(pending) == ()
    assert destinations(pending) == []
    assert messages("key", pending, browser="", now=1.0, fallback=FALLBACK) == []
    assert next_method(pending, FALLBACK) is None
    assert was_sent(pending, "SMS")
    assert not was_sent(pending, "EMAIL")
