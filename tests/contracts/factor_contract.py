"""The contract of Factor."""

import contextlib
from dataclasses import dataclass, replace

import pytest

from gateway.account import Device, Enrolment
from gateway.errors import NotEnrolled
from gateway.interfaces import Factor, Spend


@dataclass(frozen=True, kw_only=True)
class Login:
    """One login that asks for the factor, with the right *answer* to it."""

    secret: bytes
    enrolment: Enrolment | None
    now: float
    answer: str


def an_enrolment(uid: str = "17", **fields) -> Enrolment:
    device = Device(name=b"name", digest=b"digest", client="web", expires_at=17.5)
    return Enrolment(uid=uid, devices=(device,), pending=b"proposed", pending_until=17.5, **fields)


async def checked(factor: Factor, login: Login, answer: str | None = None) -> Spend | None:
    with factor.capacity():
        return await factor.check(
            login.answer if answer is None else answer, secret=login.secret, enrolment=login.enrolment, now=login.now
        )


class FactorContract:
    """A subclass brings the fixtures *factor*, *login*, and *another*: a login of another user."""

    async def test_the_right_answer_is_accepted(self, factor, login, another):
        assert await checked(factor, login)
        assert await checked(factor, another)

    @pytest.mark.parametrize("answer", ["", "-", "0", "000000x", "ZZZZ-ZZZZ-ZZZZ-ZZZZ", "é", "\ud800", "9" * 64])
    async def test_any_other_answer_is_wrong(self, factor, login, answer):
        assert await checked(factor, login, answer) is None

    async def test_the_answer_to_another_users_login_is_wrong(self, factor, login, another):
        assert await checked(factor, login, another.answer) is None
        assert await checked(factor, another, login.answer) is None

    async def test_a_check_uses_nothing_up(self, factor, login):
        assert [bool(await checked(factor, login)) for _ in range(3)] == [True, True, True]

    async def test_a_login_has_one_challenge_and_no_other_login_the_same(self, factor, login, another):
        assert factor.challenge(login.secret) == factor.challenge(login.secret)
        assert factor.challenge(login.secret) != factor.challenge(another.secret) or not factor.challenge(login.secret)

    async def test_capacity_is_given_back_even_after_an_error(self, factor, login):
        for _ in range(20):
            with contextlib.suppress(ValueError), factor.capacity():
                raise ValueError

        assert await checked(factor, login)


class EnrolledFactorContract(FactorContract):
    """Of the factors that are used up in an enrolment."""

    def test_it_says_so(self, factor):
        assert factor.enrolled

    async def test_what_was_used_up_is_wrong_from_then_on(self, factor, login):
        use_up = await checked(factor, login)

        assert await checked(factor, replace(login, enrolment=use_up(login.enrolment))) is None

    async def test_it_is_used_up_once(self, factor, login):
        first, second = await checked(factor, login), await checked(factor, login)

        with pytest.raises(NotEnrolled):
            second(first(login.enrolment))

    async def test_using_it_up_changes_nothing_else(self, factor, login):
        use_up = await checked(factor, login)
        before, after = login.enrolment, use_up(login.enrolment)

        assert after != before
        assert replace(after, last_step=before.last_step, recovery_hashes=before.recovery_hashes) == before

    async def test_what_was_removed_meanwhile_is_not_used_up(self, factor, login):
        use_up = await checked(factor, login)

        with pytest.raises(NotEnrolled):
            use_up(login.enrolment.remove(now=login.now))

    @pytest.mark.parametrize("enrolment", [None, an_enrolment()])
    async def test_without_it_every_answer_is_wrong(self, factor, login, enrolment):
        assert await checked(factor, replace(login, enrolment=enrolment)) is None
