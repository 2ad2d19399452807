"""The contract of Enrolments."""

import asyncio
from dataclasses import replace

import pytest

from gateway.account import Device, Enrolment
from gateway.errors import NotEnrolled
from gateway.interfaces import Backend, Enrolments


def enrolled(_: Enrolment | None) -> Enrolment:
    return Enrolment(
        uid="17",
        totp_secret=b"\x00secret\xff",
        recovery_hashes=("a", "b"),
        devices=(Device(name=b"\x00", digest=b"\x00digest\xff", client="web", expires_at=17.5, before=b"\xfe"),),
        pending=b"\x00pending\xff",
        pending_until=1800000000.25,
        revoked_at=1700000000.5,
    )


def stepped(old: Enrolment | None) -> Enrolment:
    assert old
    return replace(old, last_step=old.last_step + 1)


class EnrolmentsContract:
    @pytest.fixture
    def stores(self, backends: tuple[Backend, Backend]) -> tuple[Enrolments, Enrolments]:
        return backends[0].enrolments, backends[1].enrolments

    @pytest.fixture
    def store(self, stores) -> Enrolments:
        return stores[0]

    async def test_who_never_enrolled_has_none(self, store):
        assert await store.find("17") is None

    async def test_an_enrolment_is_found_as_it_was_stored(self, stores):
        stored = await stores[0].update("17", enrolled)

        assert stored == replace(enrolled(None), version=stored.version)
        assert await stores[1].find("17") == stored
        assert await stores[1].find("18") is None

    async def test_fifty_parallel_updates_settle_and_none_is_lost(self, stores):
        await stores[0].update("17", enrolled)

        await asyncio.gather(*[stores[each % 2].update("17", stepped) for each in range(50)])

        assert (await stores[0].find("17")).last_step == 50

    async def test_a_change_of_what_was_read_before_applies_to_what_stands_now(self, stores):
        seen = await stores[0].update("17", enrolled)
        await stores[1].update("17", stepped)

        await stores[0].update("17", stepped, seen=seen)

        assert (await stores[1].find("17")).last_step == 2

    async def test_of_many_that_spend_the_same_step_one_does(self, stores):
        await stores[0].update("17", enrolled)

        answers = await asyncio.gather(
            *[
                stores[each % 2].update("17", lambda old: old.spend_step(59, secret=old.totp_secret))
                for each in range(20)
            ],
            return_exceptions=True,
        )

        assert [type(answer) for answer in answers].count(Enrolment) == 1
        assert [type(answer) for answer in answers].count(NotEnrolled) == 19

    async def test_of_many_that_spend_the_same_recovery_code_one_does(self, stores):
        await stores[0].update("17", enrolled)

        answers = await asyncio.gather(
            *[stores[each % 2].update("17", lambda old: old.spend_recovery_code("a")) for each in range(20)],
            return_exceptions=True,
        )

        assert [type(answer) for answer in answers].count(Enrolment) == 1
        assert (await stores[1].find("17")).recovery_hashes == ("b",)

    async def test_of_many_parallel_first_enrolments_one_is_first(self, stores):
        seen = []

        def first(old: Enrolment | None) -> Enrolment:
            if old:
                raise NotEnrolled
            return enrolled(old)

        answers = await asyncio.gather(
            *[stores[each % 2].update("17", first) for each in range(20)], return_exceptions=True
        )

        seen = [answer for answer in answers if isinstance(answer, Enrolment)]
        assert len(seen) == 1

    async def test_a_change_that_raises_leaves_it_as_it_was(self, store):
        before = await store.update("17", enrolled)

        def refuse(old: Enrolment | None) -> Enrolment | None:
            raise NotEnrolled

        with pytest.raises(NotEnrolled):
            await store.update("17", refuse)
        assert await store.find("17") == before

    async def test_a_change_that_returns_its_argument_stores_nothing(self, store):
        before = await store.update("17", enrolled)

        await store.update("17", lambda old: old)
        await store.update("18", lambda old: old)

        assert await store.find("17") == before
        assert await store.find("18") is None

    async def test_a_change_to_none_ends_it(self, stores):
        await stores[0].update("17", enrolled)

        assert await stores[0].update("17", lambda _: None) is None
        assert await stores[1].find("17") is None

    async def test_a_store_is_initialised_once_and_for_all(self, stores):
        assert not await stores[0].initialised()

        await stores[0].initialise()
        await stores[0].initialise()

        assert await stores[1].initialised()

    async def test_whoever_is_enrolled_is_among_the_uids(self, stores):
        for uid in ("17", "18"):
            await stores[0].update(uid, lambda _, uid=uid: Enrolment(uid=uid))
        await stores[0].update("18", lambda _: None)

        assert {uid async for uid in stores[1].uids()} == {"17"}

    async def test_what_the_first_key_has_sealed_is_let_be(self, store):
        before = await store.update("17", enrolled)

        assert not await store.reseal("17")
        assert not await store.reseal("18")
        assert await store.find("17") == before
        assert await store.find("18") is None
