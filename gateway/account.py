"""Who logs in, from where, through which frontend: plain values of one login.

Fields that are somebody's secret or personal data hide from `repr`, so that no
log line or traceback can show them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from gateway.errors import NotEnrolled

# Fields of an account in Drupal's entity shape: each is a list of items, {"value": …} for most.
Profile: TypeAlias = Mapping[str, Sequence[Mapping[str, object]]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Client:
    """A frontend: *browser* keys are public and name a client; *server* frontends forward the visitor's address."""

    id: str
    kind: Literal["browser", "server"]
    origins: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class Visitor:
    """The person's side of a request: canonical *address*, and what Drupal is told of the browser."""

    address: str = field(repr=False)
    # Told in a header that nobody vouches for: whose address it is, a proxy's or a visitor's, is not known.
    unvouched: bool = False
    user_agent: str = field(default="", repr=False)
    accept_language: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class DrupalSession:
    """A session that Drupal opened: the cookie byte for byte, and the token that ends it.

    *set_cookie* is Drupal's whole header line, which the relay repeats. The logout token comes only from the login
    answer and can't be asked for again (measured, Drupal 10.6, 11.4).
    """

    uid: str
    cookie_name: str
    cookie_value: str = field(repr=False)
    set_cookie: str = field(repr=False)
    csrf_token: str = field(repr=False)
    logout_token: str = field(repr=False)
    name: str = field(default="", repr=False)
    roles: tuple[str, ...] = ()


# What Drupal gives for a right password, and what is parked and handed over. Each kind is one member of this union.
Credential: TypeAlias = DrupalSession


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """What Drupal shows the user of himself.

    *roles* None: Drupal does not show them, which is what it does to everybody who may not administer users.
    """

    uid: str
    roles: frozenset[str] | None = None
    mail: str | None = field(default=None, repr=False)
    phone: str | None = field(default=None, repr=False)
    language: str | None = None
    profile: Profile = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Device:
    """A device that is remembered until *expires_at*, by digests: of its name, and of the token it holds.

    *before* is that of the token it held before, until another use.
    """

    name: bytes = field(repr=False)
    digest: bytes = field(repr=False)
    client: str
    expires_at: float
    before: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Enrolment:
    """A user's authenticator, recovery codes and remembered devices: data, not cache.

    *last_step* is the last spent TOTP step, so that a code works once across replicas (RFC 6238 §5.2). *pending* is a
    secret that nobody has confirmed yet, good until *pending_until*. What was granted before *revoked_at* is void.
    """

    uid: str
    totp_secret: bytes | None = field(default=None, repr=False)
    last_step: int = 0
    recovery_hashes: tuple[str, ...] = field(default=(), repr=False)
    devices: tuple[Device, ...] = field(default=(), repr=False)
    pending: bytes | None = field(default=None, repr=False)
    pending_until: float = 0.0
    revoked_at: float = 0.0
    version: int = 0

    def propose(self, secret: bytes, *, until: float) -> "Enrolment":
        """Keep *secret* beside what is enrolled until its first code comes."""
        return replace(self, pending=secret, pending_until=until)

    def proposed(self, *, now: float) -> bytes:
        """The secret that waits for its first code. Raises NotEnrolled when there is none any more."""
        if self.pending is None or now >= self.pending_until:
            raise NotEnrolled("nothing_to_confirm")
        return self.pending

    def confirm(self, secret: bytes, *, step: int, recovery_hashes: tuple[str, ...]) -> "Enrolment":
        """Put the confirmed *secret* in the place of what was enrolled; the code that confirmed it is spent.

        Raises NotEnrolled when another one has taken its place, or the same was confirmed before.
        """
        if self.pending != secret:
            raise NotEnrolled("nothing_to_confirm")
        return replace(
            self,
            totp_secret=secret,
            last_step=step,
            recovery_hashes=recovery_hashes,
            pending=None,
            pending_until=0.0,
        )

    def renew(self, recovery_hashes: tuple[str, ...]) -> "Enrolment":
        """Other recovery codes; the old ones die. Raises NotEnrolled without an authenticator."""
        if self.totp_secret is None:
            raise NotEnrolled("no_authenticator")
        return replace(self, recovery_hashes=recovery_hashes)

    def step(self, step: int | None) -> "Enrolment":
        """Use a TOTP step up, and every one before it. Raises NotEnrolled for none, or one that was."""
        if step is None or step <= self.last_step:
            raise NotEnrolled("spent")
        return replace(self, last_step=step)

    def spend(self, recovery_hash: str) -> "Enrolment":
        """Use a recovery code up. Raises NotEnrolled when it was."""
        if recovery_hash not in self.recovery_hashes:
            raise NotEnrolled("spent")
        return replace(self, recovery_hashes=tuple(each for each in self.recovery_hashes if each != recovery_hash))

    def remove(self, *, now: float) -> "Enrolment":
        """Neither authenticator nor recovery codes, and nothing that was granted before can bring them back."""
        return replace(
            self,
            totp_secret=None,
            last_step=0,
            recovery_hashes=(),
            pending=None,
            pending_until=0.0,
            revoked_at=now,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Grant:
    """What a manageToken says: who passed a second factor *at* that time, and where he is told of changes."""

    uid: str
    username: str = field(repr=False)
    mail: str | None = field(default=None, repr=False)
    language: str = "en"
    at: float


def masked(destination: str) -> str:
    """What an answer may show of a mail address or a number: enough to recognise one's own."""
    local, at, domain = destination.rpartition("@")
    if at:
        name, dot, ending = domain.rpartition(".")
        return f"{local[:1]}•••@{(name or domain)[:1]}••••{dot}{ending if name else ''}"
    return f"{destination[:2]}•••••••{destination[-4:]}"
