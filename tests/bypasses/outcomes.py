"""What became of a request: seen in its answer, and in the ledger and the calls of the simulated Drupal."""

import re
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import urlsplit

from gateway.demo.drupal.server import SimulatedDrupal, running
from tests.bypasses.entries import Entry, filled, options, send

COOKIE = re.compile(rb"(?im)^set-cookie: (S?SESS[0-9a-f]{32})=([^;\r\n]*)")
STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")
CODE = re.compile(rb"(?i)\r\nlocation: [^\r]*[?&]code=")
SUCCESS = range(200, 300)
# Accounts that were registered during the recording have uids of their own, from here on.
REGISTERED = 12

Outcome = dict[str, Any]


class Sites:
    """One running site per config and version, which forgets everything between two entries."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self._running: dict[tuple[str, str], tuple[SimulatedDrupal, int]] = {}

    async def open(self, config: str, version: str) -> tuple[SimulatedDrupal, int]:
        """Return the site and its port."""
        key = config, version
        if key not in self._running:
            drupal = SimulatedDrupal(options(config, version))
            url = await self._stack.enter_async_context(running(drupal))
            self._running[key] = drupal, urlsplit(url).port or 0
        drupal, port = self._running[key]
        drupal.reset()
        return drupal, port


async def replay(sites: Sites, entry: Entry, version: str) -> Outcome:
    """Send the request of *entry* to its site."""
    drupal, port = await sites.open(entry.config, version)
    request = filled(entry, drupal)
    before = len(drupal.ledger.sessions)
    return outcome_of(await send(port, request), drupal, before)


def outcome_of(received: bytes, drupal: SimulatedDrupal, before: int) -> Outcome:
    """Describe what a request did that was answered with *received*; *before* is how many sessions there were."""
    opened = [session.uid for session in drupal.ledger.sessions[before:] if session.uid]
    call = drupal.calls[-1] if drupal.calls else None
    status = STATUS.match(received)
    cookies = COOKIE.findall(received)
    outcome: Outcome = {
        "status": int(status[1]) if status else 0,
        "born": any(value != b"deleted" for _, value in cookies),
        "authenticated": bool(opened),
        "acted_uid": opened[-1] if opened else call and call.acted_uid,
        "cookies": sorted({name.decode() for name, _ in cookies}),
    }
    is_carried = bool(call and call.carried and call.carried.uid)
    return outcome | {"kind": kind_of(outcome, received, is_carried=is_carried)}


def kind_of(outcome: Mapping[str, Any], received: bytes, *, is_carried: bool) -> str | None:
    """Name the way in which the request acted for a user, if it did."""
    if outcome["authenticated"]:
        return "session-rotated" if is_carried else "session"
    if b'"access_token"' in received:
        return "token"
    if CODE.search(received):
        return "oauth-code"
    if outcome["acted_uid"] is None:
        return None
    if is_carried:
        return "carried-session"
    return "acted" if outcome["status"] in SUCCESS else "acted-error-page"


def compared(outcome: Mapping[str, Any]) -> Outcome:
    """Return what is compared of an outcome, seen or recorded: the status by its class, the rest as it is."""
    return {
        "status": outcome["status"] // 100,
        "kind": outcome["kind"],
        "born": outcome["born"],
        "authenticated": outcome["authenticated"],
        "acted_uid": min(outcome.get("acted_uid") or 0, REGISTERED),
        "cookies": outcome.get("cookies", []),
    }
