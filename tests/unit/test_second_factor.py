"""What is counted, compared and spent, in which order, when others change the login in between."""

import time
from dataclasses import replace

import pytest

from gateway.account import Enrolment
from gateway.auth_types import AUTHENTICATOR, RECOVERY_CODE
from gateway.delivery.notices import Notices
from gateway.errors import StoreUnavailable, TransactionClosed
from gateway.factors import Code, CodeOptions, RecoveryCodes, Totp, recovery
from gateway.login.second_factor import SecondFactor
from gateway.store import MemoryOptions, Sealer, SealKey
from gateway.transaction import State, Transaction

SECRET = b"12345678901234567890"
SEALER = Sealer([SealKey.fresh("k")], bytes(32))


class Bench:
    """A proof over a memory store, with one open login of an enrolled account in it."""

    def __init__(self, backend, recovery_codes) -> None:
        self.backend = backend
        self.code = Code(CodeOptions())
        self.totp = Totp(issuer="Example")
        self.proof = self.made(enabled=True, recovery_codes=recovery_codes)

    def made(self, *, enabled, recovery_codes=None):
        return SecondFactor(
            code=self.code,
            totp=self.totp,
            recovery=recovery_codes,
            enabled=enabled,
            backend=self.backend,
            notices=Notices(self.backend.outbox, {"email"}),
            clock=time.time,
        )

    async def open(self, auth_type):
        now = time.time()
        login = Transaction(
            uid="17",
            client="web",
            username="alice",
            auth_type=auth_type,
            methods=("EMAIL", AUTHENTICATOR, RECOVERY_CODE),
            secret=SECRET,
            opened_at=now,
            expires_at=now + 300,
            attempts_left=5,
            resends_left=3,
            resend_at=now,
        )
        await self.backend.transactions.create("key", login, most=3, now=now)
        return login

    async def change(self, change):
        await self.backend.transactions.update("key", change)

    async def attempt(self, seen, typed):
        is_sent = self.proof.is_sent_code(seen, typed)
        return await self.proof.attempt("key", seen, typed, is_sent=is_sent, browser="")

    def app_code(self):
        return self.totp.code(SECRET, int(time.time()) // 30)


@pytest.fixture
async def bench(monkeypatch):
    monkeypatch.setattr(recovery, "KIBIBYTES", 64)
    codes = RecoveryCodes()
    async with MemoryOptions().open(SEALER) as backend:
        made = Bench(backend, codes)
        made.shown, made.kept = await codes.make()
        enrolment = Enrolment(uid="17", totp_secret=SECRET, recovery_hashes=made.kept)
        await backend.enrolments.update("17", lambda _: enrolment)
        yield made
    codes.close()


async def test_a_mailed_code_wins_nothing_once_the_login_was_switched_away_from_mail(bench):
    seen = await bench.open("EMAIL")
    await bench.change(lambda pending: pending.switch(auth_type=AUTHENTICATOR, now=time.time()))

    with pytest.raises(TransactionClosed):
        await bench.attempt(seen, bench.code.code(SECRET))
    assert (await bench.backend.transactions.find("key")).attempts_left == 5


async def test_an_apps_code_spends_nothing_once_the_login_was_switched_away_from_it(bench):
    seen = await bench.open(AUTHENTICATOR)
    await bench.change(lambda pending: pending.switch(auth_type="EMAIL", now=time.time()))

    with pytest.raises(TransactionClosed):
        await bench.attempt(seen, bench.app_code())
    assert (await bench.backend.enrolments.find("17")).last_step == 0


async def test_without_an_attempt_nothing_is_compared_or_spent(bench):
    seen = await bench.open(AUTHENTICATOR)
    await bench.change(lambda pending: replace(pending, attempts_left=0))

    with pytest.raises(TransactionClosed):
        await bench.attempt(seen, bench.app_code())
    assert (await bench.backend.enrolments.find("17")).last_step == 0


class Meanwhile:
    """Enrolments that let something happen right before they are changed."""

    def __init__(self, enrolments, happens) -> None:
        self._enrolments = enrolments
        self._happens = happens

    async def find(self, uid):
        return await self._enrolments.find(uid)

    async def update(self, uid, change):
        await self._happens()
        return await self._enrolments.update(uid, change)


def ended(bench):
    return lambda: bench.change(lambda pending: pending.end(now=time.time()))


@pytest.mark.parametrize("method", [AUTHENTICATOR, RECOVERY_CODE])
async def test_what_is_right_wins_no_login_that_ended_meanwhile(bench, method):
    seen = await bench.open(method)
    bench.proof._enrolments = Meanwhile(bench.backend.enrolments, ended(bench))

    with pytest.raises(TransactionClosed):
        await bench.attempt(seen, bench.app_code() if method == AUTHENTICATOR else bench.shown[0])
    assert (await bench.backend.transactions.find("key")).state is State.ENDED


async def test_what_is_wrong_counts_though_the_login_ended_meanwhile(bench):
    """Or of five guesses at once only the first would cost the account anything."""
    seen = await bench.open(AUTHENTICATOR)
    bench.proof._enrolments = Meanwhile(bench.backend.enrolments, ended(bench))

    after = await bench.attempt(seen, "no code")

    assert (after.state, after.attempts_left) == (State.OPEN, 4)


async def test_an_account_without_an_enrolment_proves_nothing(bench):
    await bench.backend.enrolments.update("17", lambda _: None)

    assert await bench.proof.spend("17", AUTHENTICATOR, bench.app_code()) is None
    assert await bench.proof.spend("17", RECOVERY_CODE, bench.shown[0]) is None


async def test_nobody_is_taken_for_not_enrolled_by_a_store_without_its_mark(bench):
    assert await bench.proof.enrolment("17")
    with pytest.raises(StoreUnavailable):
        await bench.proof.enrolment("18")
    with pytest.raises(StoreUnavailable):
        await bench.proof.demand_initialised()

    await bench.backend.enrolments.initialise()

    assert await bench.proof.enrolment("18") is None


async def test_where_apps_are_not_allowed_the_store_is_not_asked(bench):
    off = bench.made(enabled=False)

    await off.demand_initialised()
    assert await off.enrolment("17") is None
