"""Every limit of the gateway: what it counts, how many are allowed, and under which key.

`gateway.limit` says when a limit refuses, and stores keep the counts.
"""

from collections.abc import Callable
from typing import Self
from zlib import crc32

from pydantic import Field, model_validator

from gateway.collation import fold
from gateway.limit import KNOWN_NETWORK, Limit
from gateway.networks import network_of, subscriber_of, wider_networks_of
from gateway.options import Options

# Wrong codes of one account, by uid (promise 2). The hard limit is stricter than NIST SP 800-63B-4 §3.2.2, which counts
# consecutive failures only.
SOFT_FAILURES, SOFT_FIRST_SECONDS, SOFT_MOST_SECONDS = 10, 30, 15 * 60
HARD_FAILURES, HARD_SECONDS = 100, 30 * 24 * 3600
# PROPOSAL_SECONDS is the lifetime of a manageToken.
PROPOSALS, PROPOSAL_SECONDS = 20, 600
# How many right passwords may be followed by no code. Five are enough for users: after a few tries, they notice that
# they get no code. No limit stops a thief of many passwords, who tests each of them once or twice. The owner learns of
# that by mail.
PASSWORD_TESTS, PASSWORD_TEST_SECONDS = 5, 24 * 3600
# A network stays known for this long. NIST SP 800-63B, revision 3 (§5.2.2), names known networks as a way to keep an
# attacker from locking the user out.
KNOWN_NETWORK_SECONDS = 30 * 24 * 3600


# For `Limits.guessed`: all names are spread over this many counts. With a count for each name, a list of made-up names
# could occupy more than 2 MB. That two names share a count only matters above 100,000 refused passwords an hour.
NAME_GROUPS = 16_384
# The name of the limit that a right password clears.
NAME = "flood.name"


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
    """The limits. They must refuse before Drupal's own do, or Drupal would answer first."""

    name: LimitOptions = LimitOptions(most=4, seconds=21_600)
    address: LimitOptions = LimitOptions(most=40, seconds=3_600)
    # A subscriber may have all 256 /64s of a /56, a site all of a /48. Several users who share such a network, at work
    # or at a mobile carrier, would share one address in IPv4, and so one count.
    times_per_56: int = Field(default=4, ge=1, le=256)
    times_per_48: int = Field(default=16, ge=1, le=65_536)
    # To reach this, more than a dozen networks must each use up their four tries. No user mistypes a password in so
    # many.
    name_everywhere: LimitOptions = LimitOptions(most=50, seconds=3_600)
    codes: LimitOptions = LimitOptions(most=60, seconds=3_600)
    logouts: LimitOptions = LimitOptions(most=60, seconds=3_600)
    everywhere: LimitOptions = LimitOptions(most=200, seconds=600)
    mail: LimitOptions = LimitOptions(most=30, seconds=86_400)
    phone: LimitOptions = LimitOptions(most=10, seconds=86_400)
    phone_burst: LimitOptions = LimitOptions(most=5, seconds=900)
    # Five times `phone`: a family may share a number, and an attacker needs five accounts to use it up.
    phone_total: LimitOptions = LimitOptions(most=50, seconds=86_400)
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
    """The limits of one site. Only this gateway can compute the keys of names, addresses and destinations."""

    def __init__(self, options: FloodOptions, index: Callable[..., str]) -> None:
        self._options = options
        self._index = index

    def pseudonym(self, name: str) -> str:
        """Return what events carry in place of *name*: 64 bits of HMAC over the folded name."""
        return self._index("account", fold(name))[:11]

    def passwords(self, name: str, address: str) -> tuple[Limit, ...]:
        """Limit refused passwords: first those of the name, then those of the address.

        Those of the name are counted from this address; with `uid_only`, from all. The same limits for the wider
        networks of an IPv6 address follow.
        """
        options, folded = self._options, fold(name)
        widths = (1, options.times_per_56, options.times_per_48)
        # An IPv4 address has no wider networks.
        networks = list(zip((network_of(address), *wider_networks_of(address)), widths, strict=False))
        by_address = [
            self._limit("flood.address", options.address, network, times=times) for network, times in networks
        ]
        by_name = (
            [self._limit(NAME, options.name, folded)]
            if options.drupal.uid_only
            else [self._limit(NAME, options.name, folded, network, times=times) for network, times in networks]
        )
        return by_name[0], by_address[0], *by_name[1:], *by_address[1:]

    def guessed(self, name: str) -> Limit:
        """Count refused passwords of a name from everywhere. This limit refuses nothing: it is full during an attack.

        Once reached, it stays full for `name_everywhere.seconds` and counts nothing more. So one attack reaches it only
        once in that time.
        """
        options = self._options.name_everywhere
        group = crc32(self._index("attack.name", fold(name)).encode()) % NAME_GROUPS
        return Limit(
            name="attack.name",
            key=f"attack.name:{group}",
            most=options.most,
            seconds=options.seconds,
            wait_first=options.seconds,
            wait_most=options.seconds,
        )

    def codes(self, uid: str, address: str, *, known_network: bool) -> tuple[Limit, Limit, Limit]:
        """Limit wrong codes: the account's two counts, and the count of one address."""
        seen_from = network_of(address)
        return (*guesses(uid, known_network=known_network), self._limit("flood.codes", self._options.codes, seen_from))

    def known_network(self, uid: str, address: str) -> Limit:
        """Return a limit that is full while the network of *address* is known: a right code came from there."""
        key = f"{KNOWN_NETWORK}:{self._index(KNOWN_NETWORK, uid, network_of(address))}"
        return Limit(name=KNOWN_NETWORK, key=key, most=1, seconds=KNOWN_NETWORK_SECONDS)

    def logouts(self, address: str) -> Limit:
        """Limit log-outs that end no session, by subscriber.

        For IPv6 that is a /56: a client that makes up cookies can change its /64 just as easily.
        """
        return self._limit("flood.logouts", self._options.logouts, subscriber_of(address))

    def everywhere(self) -> Limit:
        """Count wrong codes of the whole site. This limit refuses nothing: it is full during an attack."""
        return self._limit("attack.second_factor", self._options.everywhere)

    def deliveries(self, uid: str, channel: str, to: str, *, known_network: bool) -> tuple[Limit, ...]:
        """Limit messages of one account to one destination.

        Drupal does not demand that a number is unique or verified, so another account may have the same one. Each
        account has its own counts. Messages to phones cost money, so a number has a limit for all accounts together,
        too.
        """
        counted = (uid, to.casefold(), "known_network") if known_network else (uid, to.casefold())
        if channel == "email":
            return (self._limit("flood.mail", self._options.mail, *counted),)
        return (
            self._limit("flood.phone", self._options.phone, *counted),
            self._limit("flood.phone_burst", self._options.phone_burst, *counted),
            self._limit("flood.phone_total", self._options.phone_total, to),
        )

    def _limit(self, name: str, options: LimitOptions, *counted: str, times: int = 1) -> Limit:
        key = f"{name}:{self._index(name, *counted)}"
        return Limit(name=name, key=key, most=options.most * times, seconds=options.seconds)


def guesses(uid: str, *, known_network: bool) -> tuple[Limit, Limit]:
    """Limit wrong codes of an account. After ten it must wait; after a hundred in 30 days, an operator must unlock it.

    Known networks have their own counts, so that wrong codes from elsewhere don't lock the user out at home.
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
    """Limit secrets and recovery codes made for one account: each costs as much as many logins."""
    return Limit(name="flood.proposals", key=f"proposals:{uid}", most=PROPOSALS, seconds=PROPOSAL_SECONDS)


def changes(uid: str) -> Limit:
    """Limit requests to confirm or remove an app: each can take capacity from users with a recovery code."""
    return Limit(name="flood.proposals", key=f"changes:{uid}", most=PROPOSALS, seconds=PROPOSAL_SECONDS)


def password_tests(uid: str) -> Limit:
    """Limit right passwords after which no code was sent."""
    return Limit(
        name="flood.password_tests", key=f"password_tests:{uid}", most=PASSWORD_TESTS, seconds=PASSWORD_TEST_SECONDS
    )


def password_notices(uid: str) -> Limit:
    """Limit the mails about such passwords: an owner reads one mail a day, but not forty."""
    return Limit(name="flood.password_notices", key=f"password_notices:{uid}", most=1, seconds=PASSWORD_TEST_SECONDS)


def failures(uid: str, *, known_network: bool) -> Limit:
    """Count wrong codes that were really compared. Reservations of parallel tries are not among them."""
    key = f"failures:{_whose(uid, known_network=known_network)}"
    return Limit(name="lock.soft", key=key, most=SOFT_FAILURES, seconds=HARD_SECONDS)


def locks(uid: str) -> tuple[Limit, ...]:
    """Return everything that an operator clears to unlock the account."""
    return tuple(
        limit
        for known_network in (False, True)
        for limit in (*guesses(uid, known_network=known_network), failures(uid, known_network=known_network))
    )


def _whose(uid: str, *, known_network: bool) -> str:
    return f"{uid}:known" if known_network else uid
