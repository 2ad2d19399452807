"""The events of requests that Drupal did not answer: each at most once a minute, since every visitor causes one."""

from collections import defaultdict

import structlog

from gateway.errors import DrupalBusy, DrupalInvalid, DrupalTimeout, DrupalUnavailable, GatewayError
from gateway.telemetry.log_setup import OncePerMinute

log = structlog.get_logger()


class Failures:
    def __init__(self) -> None:
        self._due: defaultdict[str, OncePerMinute] = defaultdict(OncePerMinute)

    def say(self, error: GatewayError, *, begun: bool) -> None:
        """Log *error*. *begun* says that a part of the answer has left, so the visitor's connection is broken off."""
        match error:
            case _ if begun:
                name = "proxy.broken"
            case DrupalBusy():
                name = "proxy.busy"
            case DrupalTimeout():
                name = "proxy.timeout"
            case DrupalUnavailable():
                name = "proxy.unavailable"
            case DrupalInvalid():
                name = "proxy.invalid"
            case _:
                # A gate's own refusal, which the gate logs.
                return
        if self._due[name].due():
            log.warning(name, reason=error.reason)
