"""The configuration of the policy: which accounts need a code, and by which methods."""

from collections.abc import Sequence
from ipaddress import IPv6Network
from typing import Annotated

from pydantic import AfterValidator, Field

from gateway.auth_types import ENROLLED, METHODS
from gateway.networks import Network
from gateway.options import NamedNetwork, Options
from gateway.policy.rules import Policy, Require


def _known_role(role: str) -> str:
    if role in ("authenticated", "anonymous"):
        raise ValueError("is a role of every account or of none, so no rule can use it")
    return role


def _known_methods(methods: tuple[str, ...]) -> tuple[str, ...]:
    known = (*METHODS, *ENROLLED)
    if not set(methods) <= set(known):
        raise ValueError(f"must be of {', '.join(known)}")
    if len(set(methods)) != len(methods):
        raise ValueError("names a method twice")
    return methods


def _not_every_address(network: Network) -> Network:
    if not network.prefixlen:
        raise ValueError("holds every address: use `require: observe` to ask for no codes")
    if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped:
        raise ValueError("visitors from it have IPv4 addresses here: name the IPv4 network")
    return network


# Drupal names roles by their machine names in its answers (measured).
Role = Annotated[str, Field(pattern=r"^[a-z0-9_.]{1,64}$"), AfterValidator(_known_role)]
Methods = Annotated[tuple[str, ...], AfterValidator(_known_methods)]
Exempted = Annotated[NamedNetwork, AfterValidator(_not_every_address)]


class RoleOptions(Options):
    role: Role
    methods: Methods = Field(min_length=1)


class RememberOptions(Options):
    days: int = Field(default=0, ge=0, le=365)
    devices: int = Field(default=10, ge=1, le=50)


class PolicyOptions(Options):
    """Which accounts need a code, and by which methods."""

    require: Require = "all"
    roles: tuple[Role, ...] = ()
    exempt_roles: tuple[Role, ...] = ()
    exempt_networks: tuple[Exempted, ...] = ()
    methods: Methods = ()
    by_role: tuple[RoleOptions, ...] = ()
    remember: RememberOptions = RememberOptions()

    def policy(self, *, proxies: Sequence[Network]) -> Policy:
        return Policy(
            require=self.require,
            roles=frozenset(self.roles),
            exempt_roles=frozenset(self.exempt_roles),
            exempt_networks=self.exempt_networks,
            proxies=tuple(proxies),
            methods=self.methods,
            by_role=tuple((one.role, one.methods) for one in self.by_role),
        )

    def conflicts(self) -> list[tuple[str, str]]:
        """Return the conflicts between the values, by key."""
        problems: list[tuple[str, str]] = []
        if self.require == "roles" and not self.roles:
            problems.append(("policy.roles", "needed with require: roles, or no login would need a code"))
        if self.require == "all" and self.roles:
            problems.append(("policy.roles", "has a meaning only with require: roles or observe"))
        if set(self.roles) & set(self.exempt_roles):
            problems.append(("policy.exempt_roles", "a role can't both need a code and need none"))
        if len({one.role for one in self.by_role}) != len(self.by_role):
            problems.append(("policy.by_role", "names a role twice"))
        return problems

    def methods_by_role(self) -> set[str]:
        """Return every method that `by_role` names."""
        return {method for one in self.by_role for method in one.methods}
