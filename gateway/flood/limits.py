"""Drupal's word for it: when a limit refuses, as pure rules over the times at which it was taken.

Stores keep the times; what they mean is said here, once. A store that computes it in its own language is held to
these functions by a test that drives both with the same history.
"""

from collections.abc import Callable
from typing import Self

from pydantic import Field, model_validator

from gateway.collation import fold
from gateway.limit import KNOWN_NETWORK, Limit
from gateway.networks import network_of
from gateway.options import Options

# Wrong codes of one account, by uid (promise 2); the hard one is stricter than NIST SP 800-63B-4 §3.2.2, which counts
# consecutive failures.
SOFT_FAILURES, SOFT_FIRST_SECONDS, SOFT_MOST_SECONDS = 10, 30, 15 * 60
HARD_FAILURES, HARD_SECONDS = 100, 30 * 24 * 3600
# As long as a manageToken lives.
PROPOSALS, PROPOSAL_SECONDS = 20, 600
# For how long a network stays one that the account has logged in from. Revision 3 of NIST SP 800-63B (§5.2.2) named it
# as a way to keep an attacker from locking the claimant out.
KNOWN_NETWORK_SECONDS = 30 * 24 * 3600


class LimitOptions(Options):
    most: int = Field(ge=1, le=1_000_000)
    seconds: float = Field(gt=0, le=90 * 24 * 3600)


class DrupalFloodOptions(Options):
    """The site's own `user.flood`; the defaults are core's (measured, Drupal 10.6 and 11.4)."""

    user_limit: int = Field(default=5, ge=1)
    user_window: float = Field(default=21_600, gt=0)
    ip_limit: int = Field(default=50, ge=1)
    ip_window: float = Field(default=3_600, gt=0)
    uid_only: bool = False


class FloodOptions(Options):
    """How often is too often. Ours refuse before Drupal's own do, or Drupal would answer first."""

    name: LimitOptions = LimitOptions(most=4, seconds=21_600)
    address: LimitOptions = LimitOptions(most=40, seconds=3_600)
    codes: LimitOptions = LimitOptions(most=60, seconds=3_600)
    everywhere: LimitOptions = LimitOptions(most=200, seconds=600)
    mail: LimitOptions = LimitOptions(most=30, seconds=86_400)
    phone: LimitOptions = LimitOptions(most=10, seconds=86_400)
    phone_burst: LimitOptions = LimitOptions(most=5, seconds=900)
    drupal: DrupalFloodOptions = DrupalFloodOptions()

    @model_validator(mode="after")
    def _before_drupal(self) -> Self:
        theirs = self.drupal
        if self.name.most >= theirs.user_limit or self.name.seconds < theirs.user_window:
            raise ValueError("name: most must be lower than drupal.user_limit, seconds no shorter than its window")
        if self.address.most >= theirs.ip_limit or self.address.seconds < theirs.ip_window:
            raise ValueError("address: most must be lower than drupal.ip_limit, seconds no shorter than its window")
        return self


class Limits:
    """The limits of one site. Names, addresses and destinations become keys that only this gateway can compute."""

    def __init__(self, options: FloodOptions, index: Callable[..., str]) -> None:
        self._options = options
        self._index = index

    def passwords(self, name: str, address: str) -> tuple[Limit, Limit]:
        """Refused passwords: of one name from one address (of one name, if Drupal counts so), and from one address."""
        seen_from = network_of(address)
        counted = (fold(name),) if self._options.drupal.uid_only else (fold(name), seen_from)
        return (
            self._limit("flood.name", self._options.name, *counted),
            self._limit("flood.address", self._options.address, seen_from),
        )

    def codes(self, uid: str, address: str, *, known_network: bool) -> tuple[Limit, Limit, Limit]:
        """Wrong codes: the account's two counts, and those from one address."""
        seen_from = network_of(address)
        return (*guesses(uid, known_network=known_network), self._limit("flood.codes", self._options.codes, seen_from))

    def known_network(self, uid: str, address: str) -> Limit:
        """Full while the account knows the network of *address*: a code typed there was right lately."""
        key = f"{KNOWN_NETWORK}:{self._index(KNOWN_NETWORK, uid, network_of(address))}"
        return Limit(name=KNOWN_NETWORK, key=key, most=1, seconds=KNOWN_NETWORK_SECONDS)

    def everywhere(self) -> Limit:
        """Wrong codes of the whole site: it refuses nobody, but reaching it is an attack."""
        return self._limit("attack.second_factor", self._options.everywhere)

    def deliveries(self, channel: str, to: str, *, known_network: bool) -> tuple[Limit, ...]:
        """Messages to one destination; what costs money per message is counted more closely."""
        counted = (to.casefold(), "known_network") if known_network else (to.casefold(),)
        if channel == "email":
            return (self._limit("flood.mail", self._options.mail, *counted),)
        return (
            self._limit("flood.phone", self._options.phone, *counted),
            self._limit("flood.phone_burst", self._options.phone_burst, *counted),
        )

    def _limit(self, name: str, options: LimitOptions, *counted: str) -> Limit:
        key = f"{name}:{self._index(name, *counted)}"
        return Limit(name=name, key=key, most=options.most, seconds=options.seconds)


def guesses(uid: str, *, known_network: bool) -> tuple[Limit, Limit]:
    """The account's two counts of wrong codes: after ten it waits, after a hundred in 30 days somebody unlocks it.

    Twice: what strangers do must not lock the account where its owner logs in.
    """
    whose = _whose(uid, known_network=known_network)
    return (
        Limit(
            name="lock.soft",
            key=f"lock.soft:{whose}",
            most=SOFT_FAILURES,
            seconds=HARD_SECONDS,
            wait_first=SOFT_FIRST_SECONDS,
            wait_most=SOFT_MOST_SECONDS,
        ),
        Limit(
            name="lock.hard", key=f"lock.hard:{whose}", most=HARD_FAILURES, seconds=HARD_SECONDS, until_unlocked=True
        ),
    )


def proposals(uid: str) -> Limit:
    """Secrets and sets of recovery codes made for one account: each takes as long as many logins."""
    return Limit(name="flood.proposals", key=f"proposals:{uid}", most=PROPOSALS, seconds=PROPOSAL_SECONDS)


def changes(uid: str) -> Limit:
    """Askings to confirm or remove the account's app: each may take room from who types a recovery code."""
    return Limit(name="flood.proposals", key=f"changes:{uid}", most=PROPOSALS, seconds=PROPOSAL_SECONDS)


def failures(uid: str, *, known_network: bool) -> Limit:
    """Wrong codes of the account that were really compared: reservations of parallel tries come and go."""
    key = f"failures:{_whose(uid, known_network=known_network)}"
    return Limit(name="lock.soft", key=key, most=SOFT_FAILURES, seconds=HARD_SECONDS)


def locks(uid: str) -> tuple[Limit, ...]:
    """Everything that an operator clears to unlock the account."""
    return tuple(
        limit
        for known_network in (False, True)
        for limit in (*guesses(uid, known_network=known_network), failures(uid, known_network=known_network))
    )


def _whose(uid: str, *, known_network: bool) -> str:
    return f"{uid}:known" if known_network else uid
