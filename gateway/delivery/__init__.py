"""The channels: how a message reaches a person. A new one is a file here and a line in the union below."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Discriminator, Tag

from gateway.delivery.console import ConsoleOptions
from gateway.delivery.smtp import SmtpOptions
from gateway.options import Options


def _kind(value: object) -> object:
    # Without a word it is mail: HEADGATE_CHANNELS__EMAIL__HOST alone has to be enough.
    return value.get("kind", "smtp") if isinstance(value, dict) else getattr(value, "kind", None)


ChannelOptions = Annotated[
    Annotated[SmtpOptions, Tag("smtp")] | Annotated[ConsoleOptions, Tag("console")],
    Discriminator(_kind),
]


class ChannelsOptions(Options):
    """Which channels there are; null is none. Their names are those in METHODS."""

    email: ChannelOptions | None = SmtpOptions()
    sms: ChannelOptions | None = None
    voice: ChannelOptions | None = None
    whatsapp: ChannelOptions | None = None


# The channels that an authType needs, all of them; the words are the module's.
METHODS: Mapping[str, tuple[str, ...]] = {
    "EMAIL": ("email",),
    "SMS": ("sms",),
    "SMS AND EMAIL": ("sms", "email"),
    "PHONE VERIFICATION": ("voice",),
    "WHATSAPP": ("whatsapp",),
}

__all__ = ["METHODS", "ChannelOptions", "ChannelsOptions", "ConsoleOptions", "SmtpOptions"]
