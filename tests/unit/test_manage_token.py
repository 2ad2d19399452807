"""The token that lets somebody change his factors: sealed, bound, short-lived."""

from dataclasses import replace

import pytest

from gateway.account import Grant
from gateway.errors import TransactionClosed
from gateway.login.manage_token import LIFETIME_SECONDS, ManageTokens
from gateway.sealing import Sealer, SealKey

KEY = SealKey.fresh("k1")
GRANT = Grant(uid="17", username="alice", mail="alice@example.org", language="de", at=1000.0, method="EMAIL")


def tokens(key=KEY, *, now=1000.0):
    return ManageTokens(Sealer([key], bytes(32)), clock=lambda: now)


def test_what_was_given_is_read_by_every_process_with_the_key():
    assert tokens().read(tokens().give(GRANT, client="web"), client="web") == GRANT


@pytest.mark.parametrize(("later", "good"), [(0, True), (LIFETIME_SECONDS - 1, True), (LIFETIME_SECONDS, False)])
def test_it_is_good_for_ten_minutes(later, good):
    token = tokens().give(GRANT, client="web")

    if good:
        assert tokens(now=1000.0 + later).read(token, client="web")
    else:
        with pytest.raises(TransactionClosed):
            tokens(now=1000.0 + later).read(token, client="web")


def test_another_client_and_another_key_read_nothing():
    token = tokens().give(GRANT, client="web")

    with pytest.raises(TransactionClosed):
        tokens().read(token, client="other")
    with pytest.raises(TransactionClosed):
        tokens(SealKey.fresh("k1")).read(token, client="web")


def test_no_letter_of_it_can_be_changed():
    token = tokens().give(GRANT, client="web")

    # The last ones may hold bits that base64 leaves out.
    for at in range(len(token) - 4):
        changed = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
        with pytest.raises(TransactionClosed):
            tokens().read(changed, client="web")


@pytest.mark.parametrize("token", ["", "=", "A", "é", "\ud800", "A" * 4096, "\0"])
def test_what_is_no_token_is_refused(token):
    with pytest.raises(TransactionClosed):
        tokens().read(token, client="web")


def test_the_longest_name_and_address_fit_into_what_a_request_may_say():
    long = replace(GRANT, username="\N{KEY}" * 254, mail="m" * 254)

    assert len(tokens().give(long, client="c" * 64)) <= 4096
