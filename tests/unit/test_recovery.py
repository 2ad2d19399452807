"""Recovery codes: how they are made, spelled, kept and compared."""

import asyncio

import pytest

from gateway.errors import FactorBusy
from gateway.factors import RecoveryCodes, recovery
from gateway.factors.recovery import ALPHABET, AT_ONCE, NOBODYS, fresh, plain


@pytest.fixture
def codes(monkeypatch):
    monkeypatch.setattr(recovery, "KIBIBYTES", 64)
    made = RecoveryCodes()
    yield made
    made.close()


def test_ten_are_made_and_no_two_begin_with_the_same_characters():
    for _ in range(200):
        codes = fresh()

        assert len({code[:2] for code in codes}) == len(codes) == 10


def test_behind_what_chooses_a_hash_stand_seventy_bits():
    letters = [letter for _ in range(200) for code in fresh() for letter in plain(code)[2:]]

    assert len(letters) == 200 * 10 * 14
    assert set(letters) == set(ALPHABET)
    assert len(ALPHABET) == 32


@pytest.mark.parametrize(
    "typed",
    [
        "ABCD-EFGH-JKMN-0112",
        "abcdefghjkmn0112",
        " abcd efgh jkmn 0112\n",
        "ABCD–EFGH–JKMN–0112",
        "ABCD-EFGH-JKMN-Oil2",
        "\N{FULLWIDTH LATIN CAPITAL LETTER A}BCDEFGHJKMN0112",
    ],
)
def test_it_may_be_spelled_in_many_ways(typed):
    assert plain(typed) == "ABCDEFGHJKMN0112"


@pytest.mark.parametrize("typed", ["", "ABCD", "U" * 16, "A" * 15, "A" * 17, "\ufdfa" * 64, "\0" * 16, "A" * 65, "٣" * 16])  # fmt: skip
def test_what_is_no_code_is_none(typed):
    assert plain(typed) == ""


async def test_each_is_found_by_its_own_hash_alone(codes):
    shown, kept = await codes.make()

    assert [await codes.find(code, kept) for code in shown] == list(kept)
    assert await codes.find(shown[0], kept[1:]) is None
    assert await codes.find("ZZZZ-ZZZZ-ZZZZ-ZZZZ", ()) is None
    assert await codes.find("", kept) is None


async def test_what_is_kept_is_argon2id_with_a_salt_of_its_own(codes):
    _, kept = await codes.make()

    assert all(each[2:].startswith("$argon2id$v=19$m=") for each in kept)
    assert len({each.split("$")[4] for each in kept}) == 10


@pytest.mark.parametrize("typed", ["ZZZZ-ZZZZ-ZZZZ-ZZZZ", "", "nonsense"])
async def test_a_guess_costs_one_hash_also_when_it_chooses_none(codes, monkeypatch, typed):
    _, kept = await codes.make()
    kept = tuple(each for each in kept if not each.startswith("ZZ"))
    compared = []
    compare = codes._compare
    monkeypatch.setattr(codes, "_compare", lambda chosen, code: compared.append(chosen) or compare(chosen, code))

    assert await codes.find(typed, kept) is None
    assert compared == [NOBODYS]


def test_the_stand_in_hash_costs_as_much_as_a_real_one():
    made = RecoveryCodes()
    [kept] = made._kept_of(["ABCD-EFGH-JKMN-0112"])

    assert kept[2:].split("$")[:4] == NOBODYS[2:].split("$")[:4]
    # As long as a real one, or it would be refused unread.
    assert [len(part) for part in kept.split("$")] == [len(part) for part in NOBODYS.split("$")]
    assert made._hasher.check_needs_rehash(NOBODYS[2:]) is False


async def test_a_hash_that_is_none_matches_nothing(codes):
    assert await codes.find("ABCD-EFGH-JKMN-0112", ("ABnonsense", "")) is None


def test_there_is_room_for_two_and_the_next_one_is_refused(codes):
    with codes.capacity(), codes.capacity(), pytest.raises(FactorBusy), codes.capacity():
        pass
    with codes.capacity():
        pass


async def test_however_many_ask_two_threads_compute(codes):
    _, kept = await codes.make()

    await asyncio.gather(*(codes.find("ABCD-EFGH-JKMN-0112", kept) for _ in range(20)))

    assert len(codes._threads._threads) == AT_ONCE
