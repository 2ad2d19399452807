"""Names that a database's collation holds equal are one name to every limit, from the first wrong password on."""

import asyncio

import pytest

from gateway.demo.drupal.accounts import fold as general_ci
from gateway.login import refusal_timing

# By the collation under which Drupal would take each for the others; a stock MySQL has 0900_ai_ci, a stock MariaDB
# general_ci or one of the uca14 family, older sites unicode_ci.
COLLATIONS = {
    "general_ci": [
        ("alice", "ALICE", "alıce", "àlicé", "ALICE  ", "ÀLICÉ"),
        ("strase", "straße", "STRASE"),
        # It has one weight for all that is above U+FFFF.
        ("x😀", "X🔑", "x🤖"),
    ],
    "unicode_ci": [
        ("alice", "ａｌｉｃｅ", "ＡＬＩＣＥ", "al\u200bice", "al\u00adice", "alice\ufe0f"),
        ("strasse", "straße", "STRASSE", "straſſe"),
        ("caesar", "cæsar", "CÆSAR"),
    ],
    "0900_ai_ci": [
        ("alice", "𝐚𝓵𝖎𝕔𝚎", "ⓐⓛⓘⓒⓔ", "a\u0300lice\u0301", "alic\u0364", "\u2060alice"),
        ("strasse", "straße", "straẞe"),
        ("oyvind", "øyvind", "ØYVIND"),
    ],
}
CASES = [(collation, names) for collation, tables in COLLATIONS.items() for names in tables]


@pytest.fixture
def store():
    return {"kind": "memory"}


@pytest.fixture(autouse=True)
def _refusals_at_once(monkeypatch):
    monkeypatch.setattr(refusal_timing, "LEAST_SECONDS", 0.01)
    monkeypatch.setattr(refusal_timing, "CAUTIOUS_SECONDS", 0.01)


async def guess(frontend, name, *, at="203.0.113.9"):
    body = {"username": name, "password": "nope", "apiKey": frontend.key}
    return (await frontend.post("authenticate", body, headers={"X-Forwarded-For": at})).status


@pytest.mark.parametrize(("collation", "names"), CASES, ids=lambda case: case if isinstance(case, str) else case[0])
async def test_whoever_guesses_under_any_of_them_has_four_guesses_in_all(frontend, collation, names):
    tried = [await guess(frontend, names[number % len(names)]) for number in range(4)]

    assert tried == [401] * 4
    assert await asyncio.gather(*(guess(frontend, name) for name in names)) == [429] * len(names)


@pytest.mark.parametrize("names", COLLATIONS["general_ci"], ids=lambda names: names[0])
def test_the_simulated_drupal_holds_those_of_general_ci_equal_too(names):
    assert len({general_ci(name.rstrip()) for name in names}) == 1


async def test_another_name_has_its_own(frontend):
    for name in ("alice", "àlicé", "alıce", "ALICE"):
        await guess(frontend, name)

    assert await guess(frontend, "alicia") == 401
    assert await guess(frontend, "bob") == 401
