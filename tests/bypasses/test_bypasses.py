"""The simulated Drupal lets in and refuses what real sites let in and refused when they were asked the same."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from tests.bypasses.entries import Entry, entries
from tests.bypasses.outcomes import Sites, compared, replay

ENTRIES = entries()
# Every entry of which a version answers otherwise, and why.
DIFFERENCES = {
    "cookie-spelling-051": "sent over TLS, which ends in front of the simulated site",
    "register-019": "10.6 did not accept this multipart body, 10.5 did; why is not known",
    "register-042": "10.6 and 11.4 did not accept this multipart body, 10.5 did; why is not known",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sites() -> AsyncIterator[Sites]:
    async with AsyncExitStack() as stack:
        yield Sites(stack)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("entry", ENTRIES, ids=[entry.id for entry in ENTRIES])
async def test_it_answers_like_the_real_sites(sites: Sites, entry: Entry):
    seen = {version: compared(await replay(sites, entry, version)) for version in entry.outcomes}
    recorded = {version: compared(outcome) for version, outcome in entry.outcomes.items()}

    if entry.id in DIFFERENCES:
        assert seen != recorded, f"{entry.id} is no difference any more"
    else:
        assert seen == recorded


def test_every_difference_is_one_of_an_entry():
    assert DIFFERENCES.keys() <= {entry.id for entry in ENTRIES}
