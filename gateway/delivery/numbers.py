"""Reads one telephone number, as E.164. Refuses numbers that cost the sender more than a message."""

import re
import unicodedata
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator

from gateway.errors import Undeliverable
from gateway.options import Options

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber

# The way people write a number, in digits of any script. A second number, an extension or letters are refused:
# phonenumbers would take the first number that it finds, and the code could reach another person.
IS_WRITTEN = re.compile(r"(?:tel:)?\s*\+?[\d\s().\-/\u2010-\u2015]{2,40}", re.IGNORECASE)
IS_E164 = re.compile(r"\+[0-9]{4,15}")
MOST_CHARACTERS = 256
MOST_DIGITS = 15
# The region that phonenumbers gives to numbers of no country: satellites, and premium numbers that work everywhere.
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
    """*default_region* is the region of a number without a country code. If it is None, such a number is refused.

    *allowed_regions* lists the regions to which messages may be sent; empty means all but `001`. `001` stands for
    numbers of no country.
    """

    default_region: Annotated[str, AfterValidator(_country)] | None = None
    allowed_regions: tuple[Annotated[str, AfterValidator(_region)], ...] = ()


def is_e164(to: str) -> bool:
    """Whether *to* has the form of a number in E.164."""
    return IS_E164.fullmatch(to) is not None


def e164(text: str, options: NumberOptions) -> str:
    """The number in *text*, as +4915112345678. Raises Undeliverable when *text* is not exactly one number.

    A number that the library does not know is accepted when its length is possible: the library's tables are older than
    the newest numbers, and a user with such a number could not log in.
    """
    # Checked first: to read each letter of a field of a megabyte would delay all logins (75 ms, measured).
    if len(text) > MOST_CHARACTERS:
        raise Undeliverable("number")
    # The import takes 50 ms, so only a gateway that reads numbers pays for it.
    import phonenumbers

    # A pasted number may hold invisible marks of the writing direction.
    shown = "".join([letter for letter in text if unicodedata.category(letter) != "Cf"]).strip()
    if not IS_WRITTEN.fullmatch(shown):
        raise Undeliverable("number")
    try:
        number = phonenumbers.parse(shown, options.default_region)
    except phonenumbers.NumberParseException:
        raise Undeliverable("number") from None
    if (
        phonenumbers.is_possible_number_with_reason(number) != phonenumbers.ValidationResult.IS_POSSIBLE
        or _costs_extra(number)
        or not _may_be_sent_to(number, options.allowed_regions)
    ):
        raise Undeliverable("number")
    formatted = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    # ITU-T E.164 §6.2.1: 15 digits. The library accepts more digits if some of them are zeros in front, and then reads
    # its own result as another number.
    if len(formatted) > MOST_DIGITS + 1 or phonenumbers.parse(formatted) != number:
        raise Undeliverable("number")
    return formatted


def _costs_extra(number: "PhoneNumber") -> bool:
    """Whether a message to *number* costs extra: premium and shared-cost numbers, and personal ones (+44 70).

    Networks ignore digits after the end of a number, so a premium number with more digits is still reached. For this
    reason, every number that is too long is refused.
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
    # An unknown number may be in any country of its country code, so all of them have to be allowed.
    regions = {known} if known else set(phonenumbers.region_codes_for_country_code(number.country_code or 0))
    return regions <= set(allowed) if allowed else NOWHERE not in regions
