"""What can go wrong, named by what it means. Nothing here knows HTTP.

GatewayError
├── Malformed                  the request can't be understood
├── UnknownApiKey              the apiKey is missing or unknown
├── ForeignOrigin              a browser client's request from a page that is not its own
├── Disabled                   headless login, or the factor, is switched off
├── BadCredentials             Drupal refuses name and password
├── WrongOtp                   the code is wrong
├── TransactionClosed          unknown, expired, used, locked, or another client's
├── LoginBlocked               nobody may log in on Drupal's own pages
├── SessionEnded               Drupal's session may not act any more
├── GrantRefused               a token is asked for in exchange for something else than a session
├── NotEnrolled                the account has no such method
├── NoDestination              the account has no address or number for any allowed method
├── Throttled                  try again after `retry_after` seconds
│   ├── Flood                  too many requests, passwords, codes or messages
│   ├── TooSoon                a resend before its time
│   └── AccountLocked          too many wrong codes
├── DrupalInvalid              Drupal's answer was not understood
│   └── PolicyUnreadable       a rule needs roles, and Drupal does not show them
├── DrupalTimeout              the login may have happened at Drupal
└── Unavailable                try again after `retry_after` seconds
    ├── DrupalUnavailable
    │   └── DrupalMaintenance
    ├── DrupalBusy
    ├── StoreUnavailable
    ├── FactorBusy             too many recovery codes are being compared
    └── DeliveryUnavailable

DeliveryError                  never reaches a client; the courier acts on it
├── Undeliverable              final: the peer refuses the message, or there is nowhere to send it
├── Delayed                    another try may succeed
└── TooLate                    the code may no longer be sent
"""

from typing import ClassVar


class GatewayError(Exception):
    """The root. *word* is the stable code of the API and of events, *sentence* is what users read."""

    word: ClassVar[str] = "internal"
    sentence: ClassVar[str] = "Something went wrong. Please try again later."

    def __init__(self, reason: str = "") -> None:
        # The reason of an event, never shown in an answer. It is one of our own words, not a client's or a peer's text.
        super().__init__(reason)
        self.reason = reason


class Malformed(GatewayError):
    word = "malformed"
    sentence = "The request could not be understood."


class UnknownApiKey(GatewayError):
    word = "api_key"
    sentence = "Authentication failed"


class ForeignOrigin(GatewayError):
    word = "origin"
    sentence = "This site may not log in here."


class Disabled(GatewayError):
    word = "disabled"
    sentence = "Something went wrong, please contact your administrator."


class BadCredentials(GatewayError):
    word = "credentials"
    sentence = "Unrecognized username or password."


class WrongOtp(GatewayError):
    word = "wrong_otp"
    sentence = "The code is wrong."

    def __init__(self, *, attempts_left: int) -> None:
        super().__init__()
        self.attempts_left = attempts_left


class TransactionClosed(GatewayError):
    word = "transaction_closed"
    sentence = "This login is no longer open. Please start again."


class LoginBlocked(GatewayError):
    word = "login_blocked"
    sentence = "Logging in is not possible on this page."


class SessionEnded(GatewayError):
    word = "session_ended"
    sentence = "Please log in again."


class GrantRefused(GatewayError):
    word = "password_grant"
    sentence = "This kind of token is not given here."


class NotEnrolled(GatewayError):
    word = "not_enrolled"
    sentence = "This method is not available for this account."


class NoDestination(GatewayError):
    word = "no_destination"
    sentence = "The account has no address to send a code to. Please contact your administrator."


class Throttled(GatewayError):
    word = "flood"
    sentence = "Too many attempts. Please wait and try again."

    def __init__(self, reason: str = "", *, retry_after: float) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class Flood(Throttled):
    pass


class TooSoon(Throttled):
    word = "too_soon"
    sentence = "Please wait before asking for another code."


class AccountLocked(Throttled):
    word = "account_locked"
    sentence = "Too many wrong codes. This account is locked for now."


class DrupalInvalid(GatewayError):
    word = "drupal_invalid"
    sentence = "The site answered in a way that was not understood. Please contact your administrator."


class PolicyUnreadable(DrupalInvalid):
    word = "policy_unreadable"
    sentence = "The site does not say who has to use a code. Please contact your administrator."


class DrupalTimeout(GatewayError):
    word = "drupal_timeout"
    sentence = "The site took too long to answer. Please try again."


class Unavailable(GatewayError):
    word = "store_unavailable"
    sentence = "Logging in is not possible right now. Please try again in a moment."

    def __init__(self, reason: str = "", *, retry_after: float = 5) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class DrupalUnavailable(Unavailable):
    word = "drupal_unavailable"


class DrupalMaintenance(DrupalUnavailable):
    """In this mode Drupal ends each session that is used, so use no session (measured, Drupal 10.6 and 11.4)."""


class DrupalBusy(Unavailable):
    word = "drupal_busy"


class StoreUnavailable(Unavailable):
    pass


class FactorBusy(Unavailable):
    word = "factor_busy"


class DeliveryUnavailable(Unavailable):
    word = "delivery_unavailable"


class DeliveryError(Exception):
    """*reason* is one of our own words, for the event. The peer's text may hold an address and is left out."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Undeliverable(DeliveryError):
    pass


class Delayed(DeliveryError):
    pass


class TooLate(DeliveryError):
    pass


def drop_tracebacks(error: BaseException) -> None:
    """Drop the tracebacks of *error* and its causes, once it has been answered.

    A task keeps the error that was raised in it, and the frames of its traceback keep the task. A password in one of
    these frames would stay in memory until the garbage collector runs.
    """
    left: list[BaseException | None] = [error]
    while left:
        each = left.pop()
        if each is not None and each.__traceback__ is not None:
            each.__traceback__ = None
            left += [each.__context__, each.__cause__]
