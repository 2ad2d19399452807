"""Whether a text fits into one text message. A text that does not fit is sent, and paid for, as several messages."""

# 3GPP TS 23.038 §6.2.1: the default alphabet, and the extension. A letter of the extension counts twice.
GSM_7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_7_EXTENSION = frozenset("\f^{}\\[~]|€")
SEPTETS = 160
# With any other letter the whole message is UTF-16.
UNITS = 70


def is_gsm_7(text: str) -> bool:
    """Whether *text* can be sent without Unicode."""
    return set(text) <= GSM_7 | GSM_7_EXTENSION


def size_of(text: str) -> tuple[int, int]:
    """The size of *text*, and the size of one message, in the units of the alphabet that the text needs."""
    if is_gsm_7(text):
        return sum(2 if letter in GSM_7_EXTENSION else 1 for letter in text), SEPTETS
    return len(text.encode("utf-16-le", "replace")) // 2, UNITS


def fits_one(text: str) -> bool:
    """Whether *text* is a single message."""
    taken, most = size_of(text)
    return taken <= most
