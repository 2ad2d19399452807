"""What is counted, compared and spent, in which order, when others change the login in between."""

import time
from dataclasses import replace

import pytest

from gateway.account import Enrolment, Visitor
from gateway.auth_types import AuthType
from gateway.delivery.notices import Notices
from gateway.errors import StoreUnavailable, TransactionClosed
from gateway.factors import CodeOptions, open_factors, recovery
from gateway.flood.gate import Floodgate
from gateway.flood.limits import FloodOptions, Limits
from gateway.login.manage_token import ManageTokens
from gateway.login.second_factor import SecondFactor
from gateway.sealing import Sealer, SealKey
from gateway.store import MemoryOptions
from gateway.transaction import State, Transaction

SECRET = b"12345678901234567890"
SEALER = Sealer([SealKey.fresh("k")], bytes(32))
VISITOR = Visitor(address="192.0.2.7")


class Bench:
    """A second factor over a memory store, with one open login of an enrolled account in it."""

    def __init__(self, backend, factors) -> None:
        self.backend = backend
        self.factors = factors
        self.second_factor = self.made(enabled=True)

    def made(self, *, enabled):
        return SecondFactor(
            self.factors,
            self.backend,
            enabled=enabled,
            flood=Floodgate(
                self.backend.counters, Limits(FloodOptions(), SEALER.index), clock=time.time, login_seconds=15
            ),
            tokens=ManageTokens(SEALER, clock=time.time),
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
            methods=("EMAIL", AuthType.AUTHENTICATOR, AuthType.RECOVERY_CODE),
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
        is_sent_code = await self.second_factor.is_sent_code(seen, typed)
        return await self.second_factor.attempt("key", seen, typed, is_sent_code=is_sent_code, visitor=VISITOR)

    def sent_code(self):
        return self.factors.code.challenge(SECRET)

    def app_code(self):
        return self.factors.totp.code(SECRET, int(time.time()) // 30)

    def answer_to(self, method):
        return self.app_code() if method == AuthType.AUTHENTICATOR else self.shown[0]


@pytest.fixture
async def bench(monkeypatch):
    monkeypatch.setattr(recovery, "KIBIBYTES", 64)
    with open_factors(CodeOptions(), issuer="Example") as factors:
        async with MemoryOptions().open(SEALER) as backend:
            made = Bench(backend, factors)
            made.shown, hashes = await factors.recovery.make()
            enrolment = Enrolment(uid="17", totp_secret=SECRET, recovery_hashes=hashes)
            await backend.enrolments.update("17", lambda _: enrolment)
            yield made


async def test_a_mailed_code_wins_nothing_once_the_login_was_switched_away_from_mail(bench):
    seen = await bench.open("EMAIL")
    await bench.change(lambda pending: pending.switch(auth_type=AuthType.AUTHENTICATOR, now=time.time()))

    with pytest.raises(TransactionClosed):
        await bench.attempt(seen, bench.sent_code())
    assert (await bench.backend.transactions.find("key")).attempts_left == 5


async def test_an_apps_code_spends_nothing_once_the_login_was_switched_away_from_it(bench):
    seen = await bench.open(AuthType.AUTHENTICATOR)
    await bench.change(lambda pending: pending.switch(auth_type="EMAIL", now=time.time()))

    with pytest.raises(TransactionClosed):
        await bench.attempt(seen, bench.app_code())
    assert (await bench.backend.enrolments.find("17")).last_step == 0


async def test_no_recovery_code_is_hashed_before_the_attempt_is_counted(bench, monkeypatch):
    seen, hashed = await bench.open(AuthType.RECOVERY_CODE), []
    monkeypatch.setattr(bench.factors.recovery, "_compare", lambda *pair: bool(hashed.append(pair)))

    assert not await bench.second_factor.is_sent_code(seen, bench.shown[0])
    assert not hashed


async def test_without_an_attempt_nothing_is_compared_or_spent(bench):
    seen = await bench.open(AuthType.AUTHENTICATOR)
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

    async def update(self, uid, change, *, seen=None):
        await self._happens()
        return await self._enrolments.update(uid, change, seen=seen)


def ended(bench):
    return lambda: bench.change(lambda pending: pending.end(now=time.time()))


@pytest.mark.parametrize("method", [AuthType.AUTHENTICATOR, AuthType.RECOVERY_CODE])
async def test_what_is_right_wins_no_login_that_ended_meanwhile(bench, method):
    seen = await bench.open(method)
    bench.second_factor._enrolments = Meanwhile(bench.backend.enrolments, ended(bench))

    with pytest.raises(TransactionClosed):
        await bench.attempt(seen, bench.answer_to(method))
    assert (await bench.backend.transactions.find("key")).state is State.ENDED


async def test_what_is_wrong_counts_though_the_login_ended_meanwhile(bench):
    """Or of five guesses at once only the first would cost the account anything."""
    seen = await bench.open(AuthType.AUTHENTICATOR)
    bench.second_factor._enrolments = Meanwhile(bench.backend.enrolments, ended(bench))

    after = await bench.attempt(seen, "no code")

    assert (after.state, after.attempts_left) == (State.OPEN, 4)


@pytest.mark.parametrize("method", [AuthType.AUTHENTICATOR, AuthType.RECOVERY_CODE])
async def test_an_account_without_an_enrolment_proves_nothing(bench, method):
    seen = await bench.open(method)
    await bench.backend.enrolments.update("17", lambda _: None)

    after = await bench.attempt(seen, bench.answer_to(method))

    assert (after.state, after.attempts_left) == (State.OPEN, 4)


@pytest.mark.parametrize("method", [AuthType.AUTHENTICATOR, AuthType.RECOVERY_CODE])
async def test_what_was_removed_while_it_was_compared_wins_nothing(bench, method):
    seen = await bench.open(method)

    async def remove():
        await bench.backend.enrolments.update("17", lambda held: held.remove(now=time.time()))

    bench.second_factor._enrolments = Meanwhile(bench.backend.enrolments, remove)
    after = await bench.attempt(seen, bench.answer_to(method))

    assert (after.state, after.attempts_left) == (State.OPEN, 4)


async def test_a_store_without_its_marker_says_of_no_account_that_it_is_not_enrolled(bench):
    assert await bench.second_factor.enrolment("17")
    with pytest.raises(StoreUnavailable):
        await bench.second_factor.enrolment("18")
    with pytest.raises(StoreUnavailable):
        await bench.second_factor.demand_initialised()

    await bench.backend.enrolments.initialise()

    assert await bench.second_factor.enrolment("18") is None


async def test_where_apps_are_not_allowed_the_store_is_not_asked(bench):
    off = bench.made(enabled=False)

    await off.demand_initialised()
    assert await off.enrolment("17") is None
