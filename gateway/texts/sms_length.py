"""How much of a text message a text takes: what does not fit one is sent, and paid for, as several."""

# 3GPP TS 23.038 §6.2.1: the default alphabet, and the extension whose letters take two places each.
GSM_7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_7_EXTENSION = frozenset("\f^{}\\[~]|€")
SEPTETS = 160
# Any other letter makes the whole message UTF-16.
UNITS = 70


def is_gsm_7(text: str) -> bool:
    """Whether every letter of *text* is in the alphabet that phones have without Unicode."""
    return set(text) <= GSM_7 | GSM_7_EXTENSION


def size_of(text: str) -> tuple[int, int]:
    """How many places *text* takes, and how many one message has."""
    if is_gsm_7(text):
        return sum(2 if letter in GSM_7_EXTENSION else 1 for letter in text), SEPTETS
    return len(text.encode("utf-16-le", "replace")) // 2, UNITS


def fits_one(text: str) -> bool:
    """Whether *text* is a single message."""
    taken, most = size_of(text)
    return taken <= most
