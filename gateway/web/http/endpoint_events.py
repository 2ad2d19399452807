"""The event that a request of an endpoint ends in: its name, its level and its fields.

Every request logs exactly one event. The names are written out in the table of each endpoint, so that a search finds
them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.errors import (
    DeliveryUnavailable,
    DrupalInvalid,
    DrupalTimeout,
    DrupalUnavailable,
    GatewayError,
    StoreUnavailable,
    WrongOtp,
)

# Refusals that an operator should look at; every other refusal is information.
WARNED = (DeliveryUnavailable, DrupalInvalid, DrupalTimeout, DrupalUnavailable, StoreUnavailable)


@dataclass(frozen=True, kw_only=True, slots=True)
class EndpointEvents:
    """The names of one endpoint's events. *refused* has a name for each error that the endpoint can answer."""

    ok: str
    client_gone: str
    internal: str
    refused: Mapping[type[GatewayError], str]

    def refusal(self, error: GatewayError) -> str | None:
        """The name for *error*, or for its nearest parent that has one; None if the endpoint has no such error."""
        return next((self.refused[kind] for kind in type(error).__mro__ if kind in self.refused), None)


def fields_of(error: GatewayError) -> dict[str, object]:
    """The fields of a refusal."""
    if isinstance(error, WrongOtp):
        return {"reason": error.reason, "attempts_left": error.attempts_left}
    return {"reason": error.reason}
