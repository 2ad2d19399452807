"""The authTypes: the words by which clients name the methods of the second factor.

The words are those of the Drupal module miniorange_2fa, so that its frontends work unchanged.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class AuthType(StrEnum):
    """Every method. `NONE` says in an answer that policy asked for no code; no client can ask for it."""

    EMAIL = "EMAIL"
    SMS = "SMS"
    SMS_AND_EMAIL = "SMS AND EMAIL"
    VOICE = "PHONE VERIFICATION"
    WHATSAPP = "WHATSAPP"
    AUTHENTICATOR = "GOOGLE AUTHENTICATOR"
    RECOVERY_CODE = "RECOVERY CODE"
    NONE = "NONE"


# Methods that send nothing: they ask for something that the user has enrolled.
AUTHENTICATOR: Final = AuthType.AUTHENTICATOR.value
RECOVERY_CODE: Final = AuthType.RECOVERY_CODE.value

# The channels that a method needs, all of them.
METHODS: Final[Mapping[str, tuple[str, ...]]] = {
    AuthType.EMAIL.value: ("email",),
    AuthType.SMS.value: ("sms",),
    AuthType.SMS_AND_EMAIL.value: ("sms", "email"),
    AuthType.VOICE.value: ("voice",),
    AuthType.WHATSAPP.value: ("whatsapp",),
}


def sends(method: str) -> bool:
    """Whether *method* sends a code, rather than asking for something that was enrolled."""
    return method in METHODS


def is_method(word: str) -> bool:
    """Whether *word* is a method that a client can ask for."""
    return word in (*METHODS, AUTHENTICATOR, RECOVERY_CODE)
