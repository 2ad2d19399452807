"""The user, their browser, their frontend and what they have enrolled: plain values of one login.

Secrets and personal data are hidden from `repr`, so that no log line and no traceback can show them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from gateway.errors import NotEnrolled

# Fields of an account in Drupal's entity shape: each is a list of items, and most items are {"value": …}.
Profile: TypeAlias = Mapping[str, Sequence[Mapping[str, object]]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Client:
    """A frontend. The apiKey of a *browser* client is public; a *server* client forwards the visitor's address.

    *plain_cookies*: its requests reach Drupal without the gateway, so it gets Drupal's own cookie even where the guard
    is on.
    """

    id: str
    kind: Literal["browser", "server"]
    origins: frozenset[str] = frozenset()
    plain_cookies: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Visitor:
    """The visitor's part of a request: the canonical *address*, and those headers of the browser that Drupal gets.

    *unvouched*: the peer forwards requests but is not a trusted proxy, so *address* may be that of a proxy.
    """

    address: str = field(repr=False)
    unvouched: bool = False
    user_agent: str = field(default="", repr=False)
    accept_language: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """Where a request comes from: the *client* that sent it, and the *visitor* whom the client serves."""

    client: Client
    visitor: Visitor


@dataclass(frozen=True, kw_only=True, slots=True)
class DrupalSession:
    """A session that Drupal opened: the cookie byte for byte, and the token that ends it.

    *set_cookie* is Drupal's whole header line, which the relay repeats. Drupal gives the logout token only in the
    answer to the login (measured, Drupal 10.6 and 11.4).
    """

    uid: str
    cookie_name: str
    cookie_value: str = field(repr=False)
    set_cookie: str = field(repr=False)
    csrf_token: str = field(repr=False)
    logout_token: str = field(repr=False)
    name: str = field(default="", repr=False)
    roles: tuple[str, ...] = ()


# What Drupal gives for a right password, and what is parked and handed over. So far there is one kind. A second kind
# makes this a union.
Credential: TypeAlias = DrupalSession


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """What Drupal shows a user of their own account. *profile* has Drupal's entity shape: lists of {"value": …}.

    *roles* is None when Drupal does not show them. It shows them only to users who may administer users.
    """

    uid: str
    roles: frozenset[str] | None = None
    mail: str | None = field(default=None, repr=False)
    phone: str | None = field(default=None, repr=False)
    language: str | None = None
    profile: Profile = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        """The account's name in Drupal; empty if the profile does not show it."""
        items = self.profile.get("name") or ({},)
        return str(items[0].get("value") or "")


@dataclass(frozen=True, kw_only=True, slots=True)
class Device:
    """A device that is remembered until *expires_at*: the digests of its name and of the token that it holds.

    *before* is the digest of the previous token.
    """

    name: bytes = field(repr=False)
    digest: bytes = field(repr=False)
    client: str
    expires_at: float
    before: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Enrolment:
    """A user's authenticator, recovery codes and remembered devices: data, not cache.

    *last_step* is the last TOTP step that was used, so that a code works once across replicas (RFC 6238 §5.2).
    *pending* is a secret that the user has not confirmed yet; it can be confirmed until *pending_until*. Grants from
    before *revoked_at* are void.
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
        """Keep *secret* beside what is enrolled, until its first code confirms it."""
        return replace(self, pending=secret, pending_until=until)

    def proposed(self, *, now: float) -> bytes:
        """Return the secret that waits for its first code. Raises NotEnrolled when there is none, or it is too old."""
        if self.pending is None or now >= self.pending_until:
            raise NotEnrolled("nothing_to_confirm")
        return self.pending

    def confirm(self, secret: bytes, *, step: int, recovery_hashes: tuple[str, ...]) -> "Enrolment":
        """Enrol the confirmed *secret* and its recovery codes, instead of the previous ones.

        The code that confirmed *secret* is used up. Remembered devices are forgotten: no code of the new authenticator
        was asked for when they were remembered. Raises NotEnrolled when *secret* was confirmed before, or when another
        one was proposed since.
        """
        if self.pending != secret:
            raise NotEnrolled("nothing_to_confirm")
        return replace(
            self,
            totp_secret=secret,
            last_step=step,
            recovery_hashes=recovery_hashes,
            devices=(),
            pending=None,
            pending_until=0.0,
        )

    def renew(self, recovery_hashes: tuple[str, ...]) -> "Enrolment":
        """Replace the recovery codes. Raises NotEnrolled without an authenticator."""
        if self.totp_secret is None:
            raise NotEnrolled("no_authenticator")
        return replace(self, recovery_hashes=recovery_hashes)

    def spend_step(self, step: int, *, secret: bytes) -> "Enrolment":
        """Use up a TOTP step of *secret*, and every step before it.

        Raises NotEnrolled when it is used up already, or when *secret* is no longer the enrolled one.
        """
        if secret != self.totp_secret or step <= self.last_step:
            raise NotEnrolled("spent")
        return replace(self, last_step=step)

    def spend_recovery_code(self, recovery_hash: str) -> "Enrolment":
        """Use up a recovery code. Raises NotEnrolled when it is used up already."""
        if recovery_hash not in self.recovery_hashes:
            raise NotEnrolled("spent")
        return replace(self, recovery_hashes=tuple(each for each in self.recovery_hashes if each != recovery_hash))

    def remove(self, *, now: float) -> "Enrolment":
        """Remove authenticator, recovery codes and remembered devices, and make every earlier grant void."""
        return replace(
            self,
            totp_secret=None,
            last_step=0,
            recovery_hashes=(),
            devices=(),
            pending=None,
            pending_until=0.0,
            revoked_at=now,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Grant:
    """What a manageToken says: which user passed a second factor, when they did (*at*), and where notices to them go.

    *method* is the authType of that factor.
    """

    uid: str
    username: str = field(repr=False)
    mail: str | None = field(default=None, repr=False)
    language: str = "en"
    at: float
    method: str


def undescribed(session: DrupalSession) -> Account:
    """Return the account of *session* with its uid only: Drupal has shown nothing else."""
    return Account(uid=session.uid, profile={"uid": [{"value": int(session.uid)}]})


def masked(destination: str) -> str:
    """Return what an answer may show of a mail address or a number: enough for its owner to recognise it."""
    local, at, domain = destination.rpartition("@")
    if at:
        name, dot, ending = domain.rpartition(".")
        return f"{local[:1]}•••@{(name or domain)[:1]}••••{dot}{ending if name else ''}"
    return f"{destination[:2]}•••••••{destination[-4:]}"
