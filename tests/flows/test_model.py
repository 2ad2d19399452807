"""Random histories of logins, held against a model that fits on a page: who gets in, and which sessions are left."""

import asyncio
import math
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from gateway.demo.drupal.accounts import User, example_users
from gateway.demo.drupal.site import DrupalOptions
from tests.chaos.forms import form
from tests.flows.steps import addresses
from tests.world import CODE, OTHER_KEY, Answer, a_world, wrong

LIFETIME, ATTEMPTS, RESENDS, OPEN_MOST = 300, 3, 2, 3
FREE, FIRST_WAIT, LONGEST_WAIT = 10, 30, 900
HISTORIES, STEPS = form(short=18, long=400), 30


@dataclass(kw_only=True)
class Waiting:
    """A transaction, as far as anybody can tell from outside."""

    account: int
    answer: Answer
    code: str
    expires_at: float
    attempts: int = ATTEMPTS
    resends: int = RESENDS
    is_open: bool = True


@dataclass(kw_only=True)
class Model:
    """What must be true. Times are the clock's, which stands still while somebody is answered."""

    waiting: list[Waiting] = field(default_factory=list)
    failed: dict[int, list[float]] = field(default_factory=dict)
    won: dict[int, int] = field(default_factory=dict)

    def opens(self, one: Waiting, now: float) -> None:
        self.waiting.append(one)
        others = [each for each in self.waiting if each.account == one.account and self.stands(each, now)]
        for displaced in others[:-OPEN_MOST]:
            displaced.is_open = False

    def stands(self, one: Waiting, now: float) -> bool:
        return one.is_open and now < one.expires_at

    def locked_for(self, account: int, now: float) -> float:
        failed = self.failed.get(account, [])
        if len(failed) < FREE:
            return 0
        return max(0, failed[-1] + min(FIRST_WAIT * 2 ** (len(failed) - FREE), LONGEST_WAIT) - now)

    def fails(self, one: Waiting, now: float) -> None:
        self.failed.setdefault(one.account, []).append(now)
        one.attempts -= 1
        one.is_open = one.attempts > 0

    def wins(self, one: Waiting) -> None:
        self.failed.pop(one.account, None)
        self.won[one.account] = self.won.get(one.account, 0) + 1
        one.is_open = False


class StandingClock:
    def __init__(self) -> None:
        self.now = 1_900_000_000.0

    def __call__(self) -> float:
        return self.now


class Live:
    """One gateway for all histories, each with accounts of its own."""

    def __init__(self, world, frontend, run) -> None:
        self.world, self.frontend, self.run = world, frontend, run
        self.visitors = addresses()
        self.accounts = 0
        self.read = 0
        self.codes: dict[str, list[str]] = {}

    def account(self) -> User:
        self.accounts += 1
        number = self.accounts + 100
        return self.world.drupal.add_user(
            User(uid=number, name=f"user{number}", password=f"pass-{number}", mail=f"user{number}@example.test")
        )

    async def newest_code(self, to: str, sent: int) -> str:
        """The code in the newest mail *to* somebody, once there are as many as were *sent*."""
        async with asyncio.timeout(10):
            while len(self.codes.get(to, ())) < sent:
                await asyncio.sleep(0.002)
                for mail in self.world.mailbox.mails[self.read :]:
                    self.read += 1
                    code = CODE.search(mail.plain)
                    # The warning to a locked account holds none.
                    if code:
                        self.codes.setdefault(mail.recipients[0], []).append(code[0])
        return self.codes[to][-1]


def machine_of(live: Live) -> type[RuleBasedStateMachine]:
    now = live.world.clock

    class Histories(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.model = Model()
            self.users = [live.account() for _ in range(2)]

        def ask(self, endpoint: str, one: Waiting, **more: object) -> Answer:
            body = {key: one.answer[key] for key in ("username", "transactionID", "authType")}
            body |= {"apiKey": live.frontend.key} | more
            return live.run(live.frontend.post(endpoint, body, headers=next(live.visitors)))

        def newest_code(self, account: int) -> str:
            return live.run(live.newest_code(self.users[account].mail, self.sent[account]))

        @property
        def sent(self) -> dict[int, int]:
            counts = dict.fromkeys(range(len(self.users)), 0)
            for one in self.model.waiting:
                counts[one.account] += 1 + RESENDS - one.resends
            return counts

        @rule(account=st.sampled_from([0, 0, 0, 1]), times=st.sampled_from([1, 1, 2, 4]))
        def authenticate(self, account: int, times: int) -> None:
            for _ in range(times):
                self.authenticate_once(account)

        def authenticate_once(self, account: int) -> None:
            user = self.users[account]
            body = {"username": user.name, "password": user.password, "apiKey": live.frontend.key}
            answer = live.run(live.frontend.post("authenticate", body, headers=next(live.visitors)))
            wait = self.model.locked_for(account, now())

            if wait:
                assert answer.code == "account_locked"
                assert int(answer.headers["Retry-After"]) == math.ceil(wait)
                return
            assert answer.status == 200, answer.body
            one = Waiting(account=account, answer=answer, code="", expires_at=now() + LIFETIME)
            self.model.opens(one, now())
            one.code = self.newest_code(account)

        some = precondition(lambda self: self.model.waiting)

        @some
        @rule(pick=st.integers(0, 5))
        def login(self, pick: int) -> None:
            self.answer_with(self.model.waiting[-1 - pick % len(self.model.waiting)], right=True)

        @some
        @rule(pick=st.integers(0, 5), times=st.integers(1, ATTEMPTS + 1))
        def guess(self, pick: int, times: int) -> None:
            for _ in range(times):
                self.answer_with(self.model.waiting[-1 - pick % len(self.model.waiting)], right=False)

        @precondition(lambda self: not self.model.locked_for(0, now()))
        @rule(short_of=st.sampled_from([0, 1]))
        def fail_until_it_locks(self, short_of: int) -> None:
            while len(self.model.failed.get(0, ())) < FREE - short_of:
                self.try_at_the_lock(right=False)

        def answer_with(self, one: Waiting, *, right: bool) -> None:
            stands = self.model.stands(one, now()) and not self.model.locked_for(one.account, now())

            answer = self.ask("login", one, otp=one.code if right else wrong(one.code))

            if not stands:
                assert answer.code == "transaction_closed"
            elif right:
                assert (answer.status, len(answer.cookies)) == (200, 1)
                self.model.wins(one)
            else:
                self.model.fails(one, now())
                assert (answer.code, answer["attemptsLeft"]) == ("wrong_otp", one.attempts)

        @some
        @rule(pick=st.integers(0, 5))
        def login_as_somebody_else(self, pick: int) -> None:
            one = self.model.waiting[-1 - pick % len(self.model.waiting)]

            assert self.ask("login", one, otp=one.code, apiKey=OTHER_KEY).code == "transaction_closed"

        @some
        @rule(pick=st.integers(0, 5))
        def resend(self, pick: int) -> None:
            one = self.model.waiting[-1 - pick % len(self.model.waiting)]

            answer = self.ask("resend", one)

            if not self.model.stands(one, now()):
                assert answer.code == "transaction_closed"
            elif not one.resends:
                assert answer.code == "too_soon"
            else:
                one.resends -= 1
                assert (answer.status, answer["resendsLeft"]) == (200, one.resends)
                assert self.newest_code(one.account) == one.code

        @some
        @rule(pick=st.integers(0, 5))
        def status(self, pick: int) -> None:
            one = self.model.waiting[-1 - pick % len(self.model.waiting)]

            answer = self.ask("status", one)

            if self.model.stands(one, now()):
                left = math.ceil(one.expires_at - now())
                assert (answer["attemptsLeft"], answer["expiresIn"]) == (one.attempts, left)
            else:
                assert answer.code == "transaction_closed"

        @some
        @rule(pick=st.integers(0, 5))
        def cancel(self, pick: int) -> None:
            one = self.model.waiting[-1 - pick % len(self.model.waiting)]

            answer = self.ask("cancel", one)

            assert (answer.status == 200) is self.model.stands(one, now())
            one.is_open = False

        @rule(seconds=st.sampled_from([1, 29, 30, 299, 301, 901]))
        def later(self, seconds: int) -> None:
            now.now += seconds

        @precondition(lambda self: self.model.locked_for(0, now()))
        @rule(less=st.sampled_from([0, 0, 0, 1]))
        def wait_for_the_lock(self, less: int) -> None:
            now.now += self.model.locked_for(0, now()) - less

        @precondition(lambda self: len(self.model.failed.get(0, ())) >= FREE - 2)
        @rule(right=st.booleans())
        def try_at_the_lock(self, *, right: bool) -> None:
            standing = [one for one in self.model.waiting if self.model.stands(one, now()) and not one.account]
            if standing:
                self.answer_with(standing[-1], right=right)
            else:
                self.authenticate_once(0)

        def teardown(self) -> None:
            """When all has expired, those are alive that were handed over, and no others."""
            now.now += LIFETIME + 61
            ledger = live.world.drupal.ledger
            expected = [self.model.won.get(account, 0) for account in range(len(self.users))]

            def alive() -> list[int]:
                return [len(ledger.alive(user.uid)) for user in self.users]

            async def settled() -> None:
                async with asyncio.timeout(10):
                    while alive() != expected:
                        await asyncio.sleep(0.005)
                await asyncio.sleep(0.05)

            live.run(settled())
            assert alive() == expected

    return Histories


@pytest.fixture
def live(store):
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()

        async def open_all() -> Live:
            options = DrupalOptions(reverse_proxy_addresses=("127.0.0.1",), users=example_users(), record_calls=False)
            world = await stack.enter_async_context(a_world(store=store, drupal=options))
            world.clock = StandingClock()
            code = {"lifetime_seconds": LIFETIME, "attempts": ATTEMPTS, "resends": RESENDS, "resend_wait_seconds": 0}
            return Live(world, await stack.enter_async_context(world.open_gateway(code=code)), runner.run)

        yield runner.run(open_all())
        runner.run(stack.aclose())


def test_any_history_comes_to_what_the_model_says(live):
    run_state_machine_as_test(
        machine_of(live),
        settings=settings(
            max_examples=HISTORIES,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=True,
            # To find the shortest history takes minutes.
            phases=form(short=(Phase.generate,), long=tuple(Phase)),
            suppress_health_check=list(HealthCheck),
        ),
    )
