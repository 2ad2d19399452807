"""The list: by none of the recorded ways in does anybody act before the code.

`make test` sends each of them to one of the sites that it was recorded at, `make e2e` to all of them.
"""

import os
from collections import defaultdict

import pytest

from tests.bypasses.entries import Entry, entries
from tests.guard.listed import for_version, listed_site

IS_LONG = bool(os.environ.get("HEADGATE_LONG"))
ENTRIES = entries()
VERSIONS = ("11", "10", "10.5")
# How many entries one test sends: enough that the start of a gateway is no matter.
AT_A_TIME = 130
# What is meant to work, and why.
PASSES = {
    "oauth-token-048": ["a token"],  # for a code, which only a proven session gets
}


def groups() -> list[tuple[str, str, list[Entry]]]:
    """Return the entries by the site that each needs, in groups of about one size."""
    by_site: dict[tuple[str, str], list[Entry]] = defaultdict(list)
    for number, entry in enumerate(ENTRIES):
        recorded = [version for version in VERSIONS if version in entry.outcomes]
        for version in recorded if IS_LONG else [recorded[number % len(recorded)]]:
            by_site[entry.config, version].append(entry)
    return [
        (config, version, listed[start : start + AT_A_TIME])
        for (config, version), listed in sorted(by_site.items())
        for start in range(0, len(listed), AT_A_TIME)
    ]


@pytest.mark.parametrize(
    ("config", "version", "listed"),
    [pytest.param(*group, id=f"{group[0]}-{group[1]}-{group[2][0].id}") for group in groups()],
)
async def test_nobody_acts_by_any_of_the_recorded_requests(config: str, version: str, listed: list[Entry]):
    async with listed_site(config, version) as opened:
        faults, not_challenged, challenged = {}, [], 0
        for entry in listed:
            outcome = await opened.send(entry)
            if (found := opened.faults_of(outcome)) != PASSES.get(entry.id, []):
                faults[entry.id] = found
            challenged += outcome.is_challenged
            if outcome.is_login and not outcome.is_challenged:
                not_challenged.append(entry.id)
        await opened.end_everything()

    assert faults == {}
    assert not_challenged == []
    # Nor do they all fail for a reason of their own: most of the recorded logins get as far as the code.
    recorded = sum(entry.outcomes[version]["kind"] == "session" for entry in listed)
    assert challenged >= recorded // 2


@pytest.mark.parametrize(
    ("config", "version"), [("base", "11"), ("base", "10"), ("block", "11"), ("alias", "10"), ("reg", "11")]
)
async def test_a_login_of_every_class_works_with_its_code(config: str, version: str):
    async with listed_site(config, version) as opened:
        done: set[str] = set()
        for entry in for_version(ENTRIES, config, version):
            kind = entry.id.rpartition("-")[0]
            if kind in done or entry.outcomes[version]["kind"] != "session":
                continue
            outcome = await opened.send(entry)
            if outcome.is_challenged:
                done.add(kind)
                assert await opened.uid_after_the_code(outcome, mail=len(done)) == str(outcome.born[-1].uid)

    assert done
