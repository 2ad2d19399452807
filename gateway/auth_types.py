"""The authTypes: the words by which clients name the methods of the second factor.

The words are those of the Drupal module miniorange_2fa, so that its frontends work unchanged.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class AuthType(StrEnum):
    """Every method. `NONE` stands in an answer when no code was asked for; a client can't ask for it."""

    EMAIL = "EMAIL"
    SMS = "SMS"
    SMS_AND_EMAIL = "SMS AND EMAIL"
    VOICE = "PHONE VERIFICATION"
    WHATSAPP = "WHATSAPP"
    AUTHENTICATOR = "GOOGLE AUTHENTICATOR"
    RECOVERY_CODE = "RECOVERY CODE"
    NONE = "NONE"


# The methods that send a code. A method sends it by each of its channels.
METHODS: Final[Mapping[str, tuple[str, ...]]] = {
    AuthType.EMAIL: ("email",),
    AuthType.SMS: ("sms",),
    AuthType.SMS_AND_EMAIL: ("sms", "email"),
    AuthType.VOICE: ("voice",),
    AuthType.WHATSAPP: ("whatsapp",),
}
# The methods that send nothing: they ask for something that the user has enrolled.
ENROLLED: Final = (AuthType.AUTHENTICATOR, AuthType.RECOVERY_CODE)


def sends(method: str) -> bool:
    """Whether *method* sends a code."""
    return method in METHODS


def is_method(word: str) -> bool:
    """Whether *word* is a method that a client can ask for."""
    return word in METHODS or word in ENROLLED
