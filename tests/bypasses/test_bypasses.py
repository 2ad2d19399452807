"""The simulated Drupal lets in and refuses what real sites let in and refused when they were asked the same."""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from gateway.demo.drupal.server import SimulatedDrupal, running
from tests.bypasses.entries import Entry, entries, filled, options, send

pytestmark = pytest.mark.asyncio(loop_scope="module")

COOKIE = re.compile(rb"(?im)^set-cookie: (S?SESS[0-9a-f]{32})=([^;\r\n]*)")
STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")
SUCCESS = range(200, 300)
REGISTERED = 12
# Every entry of which a version answers otherwise, and why.
DIFFERENCES = {
    "cookie-spelling-051": "sent over TLS, which ends in front of the simulated site",
    "register-019": "10.6 did not accept this multipart body, 10.5 did; why is not known",
    "register-042": "10.6 and 11.4 did not accept this multipart body, 10.5 did; why is not known",
}


class Sites:
    """One running site per config and version."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self._running: dict[tuple[str, str], tuple[SimulatedDrupal, int]] = {}

    async def open(self, config: str, version: str) -> tuple[SimulatedDrupal, int]:
        key = config, version
        if key not in self._running:
            drupal = SimulatedDrupal(options(config, version))
            url = await self._stack.enter_async_context(running(drupal))
            self._running[key] = drupal, urlsplit(url).port or 0
        drupal, port = self._running[key]
        drupal.reset()
        return drupal, port


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sites() -> AsyncIterator[Sites]:
    async with AsyncExitStack() as stack:
        yield Sites(stack)


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.id)
async def test_it_answers_like_the_real_sites(sites: Sites, entry: Entry):
    outcomes = {version: await replay(sites, entry, version) for version in entry.outcomes}
    expected = {version: described(outcome) for version, outcome in entry.outcomes.items()}

    assert (outcomes == expected) is (entry.id not in DIFFERENCES), f"{outcomes} != {expected}"


async def replay(sites: Sites, entry: Entry, version: str) -> dict[str, Any]:
    drupal, port = await sites.open(entry.config, version)
    request = filled(entry, drupal)
    before = len(drupal.ledger.sessions)
    drupal.calls.clear()
    received = await send(port, request)
    opened = [session for session in drupal.ledger.sessions[before:] if session.uid]
    status = STATUS.match(received)
    cookies = [(name.decode(), value) for name, value in COOKIE.findall(received)]
    call = drupal.calls[-1] if drupal.calls else None
    acted = opened[-1].uid if opened else call.acted_uid if call else None
    outcome = {
        "status": int(status[1]) if status else 0,
        "born": any(value != b"deleted" for _, value in cookies),
        "authenticated": bool(opened),
        "acted_uid": acted,
        "cookies": sorted({name for name, _ in cookies}),
    }
    carried = call.carried if call and call.carried and call.carried.uid else None
    outcome["kind"] = kind_of(outcome, received, carried=carried is not None)
    return described(outcome)


def kind_of(outcome: dict[str, Any], received: bytes, *, carried: bool) -> str | None:
    if outcome["authenticated"]:
        return "session-rotated" if carried else "session"
    if b'"access_token"' in received:
        return "token"
    if re.search(rb"(?i)\r\nlocation: [^\r]*[?&]code=", received):
        return "oauth-code"
    if outcome["acted_uid"] is None:
        return None
    if carried:
        return "carried-session"
    return "acted" if outcome["status"] in SUCCESS else "acted-error-page"


def described(outcome: Any) -> dict[str, Any]:
    """What is compared of an outcome: the status by its class, everything else as it is."""
    return {
        "status": outcome["status"] // 100,
        "kind": outcome["kind"],
        "born": outcome["born"],
        "authenticated": outcome["authenticated"],
        # Accounts that were registered during the recording have uids of their own.
        "acted_uid": min(outcome.get("acted_uid") or 0, REGISTERED),
        "cookies": outcome.get("cookies", []),
    }
