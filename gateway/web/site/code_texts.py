"""What the code page says, in English; the catalogues translate it."""

from collections.abc import Mapping
from typing import Final

from gateway.auth_types import AuthType
from gateway.errors import GatewayError, Malformed, TransactionClosed
from gateway.interfaces import Word
from gateway.language_choice import msgid
from gateway.web.http.statuses import MediaType

# What stands on the page whatever its state is.
FIXED: Final[Mapping[str, str]] = {
    "verify": msgid("Log in"),
    "remember": msgid("Remember this device"),
    "resend": msgid("Send it again"),
    "no_resend": msgid("No further code can be sent for this login."),
    "others": msgid("Choose another way"),
    "cancel": msgid("Cancel the login"),
}
HEADING: Final = msgid("Enter your code")
# By what became of the message.
SENT: Final[Mapping[Word, str]] = {
    "queued": msgid("A code is on its way to {destination}."),
    "sent": msgid("A code was sent to {destination}."),
    "failed": msgid("The code could not be delivered to {destination}."),
}
# For the methods that send nothing.
ASKED: Final[Mapping[str, str]] = {
    AuthType.AUTHENTICATOR: msgid("Type the code that your authenticator app shows."),
    AuthType.RECOVERY_CODE: msgid("Type one of your recovery codes. Each of them works once."),
}
LABELS: Final[Mapping[str, str]] = {
    AuthType.AUTHENTICATOR: msgid("Code of the app"),
    AuthType.RECOVERY_CODE: msgid("Recovery code"),
}
LABEL: Final = msgid("Your code")
SWITCHES: Final[Mapping[str, str]] = {
    AuthType.EMAIL: msgid("Send the code by mail"),
    AuthType.SMS: msgid("Send the code by text message"),
    AuthType.SMS_AND_EMAIL: msgid("Send the code by text message and mail"),
    AuthType.VOICE: msgid("Call me with the code"),
    AuthType.WHATSAPP: msgid("Send the code by WhatsApp"),
    AuthType.AUTHENTICATOR: msgid("Use the authenticator app"),
    AuthType.RECOVERY_CODE: msgid("Use a recovery code"),
}
EXPIRES: Final = msgid("Time left: {time}")
RESEND_IN: Final = msgid("Possible again in {time}")
REMEMBERED: Final = msgid("No code is asked for here until {date}. Only for a device of your own.")
ATTEMPTS_LEFT: Final = msgid("Attempts left: {number}.")
WAIT: Final = msgid("Waiting time: {time}.")
RESENT: Final = msgid("Sent again. It is the same code.")

# The other pages.
OVER: Final = msgid("This login is over")
CANCELLED: Final = msgid("The login was cancelled.")
LAST_ATTEMPT: Final = msgid("The code is wrong. That was the last attempt. Please log in again.")
DONE: Final = msgid("You are logged in")
LOGGED_IN: Final = msgid("Your code was right. There is nothing more to do here.")
REFUSED: Final = msgid("That did not work")
AGAIN: Final = msgid("Log in again")
RETRY: Final = msgid("Try again")
GO_ON: Final = msgid("Continue")
HOME: Final = msgid("To the home page")

# Where the API's sentence does not fit the page that refuses a form, by the reason of the error.
_REASONS: Final[Mapping[str, str]] = {
    "form_token": msgid("This page was out of date. Please try again on the new one."),
    "origin": msgid("Your browser does not say that this page sent the form."),
    "sec_fetch_site": msgid("Your browser does not say that this page sent the form."),
}
# Where the API's sentence does not fit above the form: while there is a form, its login is still open.
_ON_THE_FORM: Final[Mapping[type[GatewayError], str]] = {
    Malformed: msgid("Please type the code."),
    TransactionClosed: msgid("The way to get the code was changed meanwhile. Please look at this page again."),
}


def on_a_page(error: GatewayError) -> str:
    """The sentence for *error* on a page of its own."""
    if isinstance(error, MediaType):
        # The API's speaks of JSON.
        return Malformed.sentence
    return _REASONS.get(error.reason, error.sentence)


def on_the_form(error: type[GatewayError]) -> str:
    """The sentence for *error* above the form."""
    return _ON_THE_FORM.get(error, error.sentence)
