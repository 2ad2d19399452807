"""Which accounts need a code, by which methods, and why a login needs none.

These are pure rules over plain values. If Drupal does not show the roles that a rule needs, that is an error: the rule
is never skipped. Where no rule needs roles, they are not read.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from gateway.errors import NoDestination, NotEnrolled, PolicyUnreadable
from gateway.networks import Network, within

Require = Literal["all", "roles", "observe"]


class Reason(StrEnum):
    """Why a login needs no code. The first reason that holds is reported."""

    NETWORK = "network"
    REMEMBERED = "remembered"
    ROLE = "role"
    OBSERVE = "observe"


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """Either why the login is *exempt*, or the *methods* that it may use and the one that is used.

    *would_fail*: while policy only observes, the word of the error that it would otherwise have raised.
    """

    exempt: Reason | None = None
    methods: tuple[str, ...] = ()
    method: str = ""
    would_fail: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """The configured rules.

    The addresses of *proxies* are never exempt: a request with such an address comes from a visitor whom the proxy did
    not name. *methods* are in the order of preference; empty means all. An entry of *by_role* replaces them for the
    accounts with its role; if an account has several of these roles, the first entry counts.
    """

    require: Require = "all"
    roles: frozenset[str] = frozenset()
    exempt_roles: frozenset[str] = frozenset()
    exempt_networks: tuple[Network, ...] = ()
    proxies: tuple[Network, ...] = ()
    methods: tuple[str, ...] = ()
    by_role: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def observes(self) -> bool:
        """Whether policy only observes: then a login succeeds even if no code could be asked for."""
        return self.require == "observe"

    def exempts_network(self, address: str | None) -> bool:
        """Return whether the visitor's canonical *address* needs no code. None is an address that can't be trusted."""
        # Most sites exempt no networks, so most logins need not have their address parsed.
        if address is None or not self.exempt_networks:
            return False
        return within(address, self.exempt_networks) and not within(address, self.proxies)

    def decide(
        self,
        *,
        address: str | None,
        roles: AbstractSet[str] | None,
        remembered: bool,
        reachable: Sequence[str],
        asked: str | None,
    ) -> Decision:
        """Decide on a login whose password was right. *roles* is None if Drupal does not show them.

        *reachable* are the methods that reach the account, the preferred one first. A user who asks for a method gets
        it even if they need none, so that exempt users can enrol. Raises PolicyUnreadable, NoDestination or
        NotEnrolled.
        """
        if asked is None and self.exempts_network(address):
            return Decision(exempt=Reason.NETWORK)
        if asked is None and remembered:
            return Decision(exempt=Reason.REMEMBERED)
        try:
            if asked is None and self._exempts_role(roles):
                return Decision(exempt=Reason.ROLE)
            wanted = self._ask(roles, reachable, asked)
        except (PolicyUnreadable, NoDestination, NotEnrolled) as error:
            if self.observes:
                return Decision(exempt=Reason.OBSERVE, would_fail=error.word)
            raise
        return Decision(exempt=Reason.OBSERVE) if self.observes and asked is None else wanted

    def _exempts_role(self, roles: AbstractSet[str] | None) -> bool:
        """Return whether the account's roles need no code. Raises PolicyUnreadable if a rule needs unknown roles."""
        if not self.roles and not self.exempt_roles:
            return False
        if roles is None:
            raise PolicyUnreadable("roles")
        return not roles.isdisjoint(self.exempt_roles) or (self.require == "roles" and roles.isdisjoint(self.roles))

    def _ask(self, roles: AbstractSet[str] | None, reachable: Sequence[str], asked: str | None) -> Decision:
        allowed = self._allowed(roles)
        methods = tuple(method for method in allowed if method in reachable) if allowed else tuple(reachable)
        if not methods:
            raise NoDestination
        if asked is not None and asked not in methods:
            raise NotEnrolled
        return Decision(methods=methods, method=asked or methods[0])

    def _allowed(self, roles: AbstractSet[str] | None) -> tuple[str, ...]:
        if self.by_role and roles is None:
            raise PolicyUnreadable("roles")
        return next((methods for role, methods in self.by_role if role in (roles or ())), self.methods)
