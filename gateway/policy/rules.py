"""Who needs a code, by which methods, and why somebody needs none.

Pure rules over plain values. A rule on roles that can't be read is an error, never a rule that does not apply; one
that would change nothing is not asked for.
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
    """Why a login goes without a code; the first that holds is told."""

    NETWORK = "network"
    REMEMBERED = "remembered"
    ROLE = "role"
    OBSERVE = "observe"


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """Either why the login is *exempt*, or the *methods* that it may use and the one that is used.

    *would_fail* is the word of the error that somebody who is only observed would have got.
    """

    exempt: Reason | None = None
    methods: tuple[str, ...] = ()
    method: str = ""
    would_fail: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """What configuration says of who needs a code.

    *proxies* are never visitors: their address stands for everybody whom they did not name. *methods* in their order,
    empty for all; *by_role* overrules them for who has one of those roles, the first that fits.
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
        """Whether nobody is refused for what only a code would need."""
        return self.require == "observe"

    def exempts_network(self, address: str | None) -> bool:
        """Whether *address*, the visitor's canonical one, needs no code; None: nobody vouches for it."""
        # Most sites have none, and so nothing to parse an address for.
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
        """Rule on a login whose password was right; *roles* None: Drupal does not show them.

        *reachable* are the methods that reach the account, the preferred one first. Who asks for a method gets it even
        if he needs none, or nobody exempt could ever enrol. Raises PolicyUnreadable, NoDestination, NotEnrolled.
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
        """Whether the account's roles need no code. Raises PolicyUnreadable if only they could say."""
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
