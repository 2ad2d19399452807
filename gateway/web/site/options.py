"""What the guard is configured with."""

from typing import Literal

from pydantic import Field

from gateway.options import NamedNetwork, Options


class GuardOptions(Options):
    mode: Literal["enforce", "observe", "off"] = "enforce"
    on_login: Literal["challenge", "block"] = "challenge"
    unsealed: Literal["drop", "ask"] = "drop"
    bearer: Literal["strip", "pass"] = "strip"
    allow_networks: tuple[NamedNetwork, ...] = ()
    ask_cache_seconds: float = Field(default=60, ge=0, le=600)

    def risks_in_front(self) -> list[tuple[str, str]]:
        """Return what leaves a way around the second factor of the whole site, as pairs of key and sentence."""
        risks = []
        if self.mode != "enforce":
            risks.append(("guard.mode", "every login on Drupal's own pages goes without a second factor"))
        if self.bearer == "pass":
            risks.append(("guard.bearer", "a token of Drupal's acts without a second factor"))
        return risks
