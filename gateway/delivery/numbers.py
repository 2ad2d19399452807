"""One telephone number in E.164, or none: nothing that costs whoever sends to it more than a message."""

import re
import unicodedata
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator

from gateway.errors import Undeliverable
from gateway.options import Options

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber

# As people write one, in digits of any script. A second number, an extension or letters make it none: phonenumbers
# would look for the first number in it, and somebody else could hear the code.
IS_WRITTEN = re.compile(r"(?:tel:)?\s*\+?[\d\s().\-/\u2010-\u2015]{2,40}", re.IGNORECASE)
IS_E164 = re.compile(r"\+[0-9]{4,15}")
MOST_CHARACTERS = 256
MOST_DIGITS = 15
# What phonenumbers calls the numbers of no country: satellites, and premium ones that work everywhere.
NOWHERE = "001"


def _region(name: str) -> str:
    import phonenumbers

    if name not in phonenumbers.SUPPORTED_REGIONS and name != NOWHERE:
        raise ValueError("not a region of ISO 3166, like DE")
    return name


def _country(name: str) -> str:
    if name == NOWHERE:
        raise ValueError("not a region of ISO 3166, like DE")
    return _region(name)


class NumberOptions(Options):
    """*default_region* reads numbers that are written without their country; without one they are none.

    *allowed_regions* are those that may be sent to, all when empty; `001` stands for numbers of no country, which have
    to be named.
    """

    default_region: Annotated[str, AfterValidator(_country)] | None = None
    allowed_regions: tuple[Annotated[str, AfterValidator(_region)], ...] = ()


def is_e164(to: str) -> bool:
    """Whether *to* has the form of a number in E.164."""
    return IS_E164.fullmatch(to) is not None


def e164(text: str, options: NumberOptions) -> str:
    """The one number that *text* is, as +4915112345678. Raises Undeliverable for anything else.

    Numbers that the library does not know to be in use are taken as long as their length is possible: its tables are
    older than the newest numbers, and whoever has one could not log in.
    """
    # Before a look at each letter: a field of a megabyte would hold all logins up (75 ms, measured).
    if len(text) > MOST_CHARACTERS:
        raise Undeliverable("number")
    # 50 ms, for those only who have such a channel.
    import phonenumbers

    # Marks of direction come along when a number is pasted.
    shown = "".join([letter for letter in text if unicodedata.category(letter) != "Cf"]).strip()
    if not IS_WRITTEN.fullmatch(shown):
        raise Undeliverable("number")
    try:
        number = phonenumbers.parse(shown, options.default_region)
    except phonenumbers.NumberParseException:
        raise Undeliverable("number") from None
    if (
        phonenumbers.is_possible_number_with_reason(number) != phonenumbers.ValidationResult.IS_POSSIBLE
        or _costs(number)
        or not _may_be_sent_to(number, options.allowed_regions)
    ):
        raise Undeliverable("number")
    formatted = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    # ITU-T E.164 §6.2.1: 15 digits. With zeros in front the library lets more pass, and reads them differently again.
    if len(formatted) > MOST_DIGITS + 1 or phonenumbers.parse(formatted) != number:
        raise Undeliverable("number")
    return formatted


def _costs(number: "PhoneNumber") -> bool:
    """Whether sending to it enriches somebody: premium and shared-cost numbers, and the personal ones (+44 70).

    With digits behind it, at which networks do not look, it is the same number.
    """
    import phonenumbers

    kinds = phonenumbers.PhoneNumberType
    shorter = phonenumbers.PhoneNumber()
    shorter.merge_from(number)
    if not phonenumbers.truncate_too_long_number(shorter):
        return False
    return shorter != number or phonenumbers.number_type(number) in (
        kinds.PREMIUM_RATE,
        kinds.SHARED_COST,
        kinds.PERSONAL_NUMBER,
        kinds.PAGER,
        kinds.VOICEMAIL,
    )


def _may_be_sent_to(number: "PhoneNumber", allowed: tuple[str, ...]) -> bool:
    import phonenumbers

    known = phonenumbers.region_code_for_number(number)
    # One that is not known to be in use may be in any country of its code: all of them have to be allowed.
    regions = {known} if known else set(phonenumbers.region_codes_for_country_code(number.country_code or 0))
    return regions <= set(allowed) if allowed else NOWHERE not in regions
