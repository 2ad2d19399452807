"""The channels: how a message reaches a person. A new one is a file here and a line in the union below."""

from typing import Annotated

from pydantic import Discriminator, Tag

from gateway.delivery.channels.apprise import AppriseOptions
from gateway.delivery.channels.console import ConsoleOptions
from gateway.delivery.channels.smtp import SmtpOptions
from gateway.delivery.channels.webhook import WebhookOptions
from gateway.options import Options


def _kind(default: str) -> Discriminator:
    """What an option's `kind` says; without a word it is *default*, so that one variable can be enough."""

    def kind(value: object) -> object:
        return value.get("kind", default) if isinstance(value, dict) else getattr(value, "kind", None)

    return Discriminator(kind)


# HEADGATE_CHANNELS__EMAIL__HOST alone.
MailOptions = Annotated[
    Annotated[SmtpOptions, Tag("smtp")]
    | Annotated[WebhookOptions, Tag("webhook")]
    | Annotated[ConsoleOptions, Tag("console")],
    _kind("smtp"),
]
# HEADGATE_CHANNELS__SMS__URL_FILE alone.
PhoneOptions = Annotated[
    Annotated[AppriseOptions, Tag("apprise")]
    | Annotated[WebhookOptions, Tag("webhook")]
    | Annotated[ConsoleOptions, Tag("console")],
    _kind("apprise"),
]
ChannelOptions = SmtpOptions | AppriseOptions | WebhookOptions | ConsoleOptions


class ChannelsOptions(Options):
    """Which channels there are; null is none. Their names are those in METHODS."""

    email: MailOptions | None = SmtpOptions()
    sms: PhoneOptions | None = None
    voice: PhoneOptions | None = None
    whatsapp: PhoneOptions | None = None


__all__ = [
    "AppriseOptions",
    "ChannelOptions",
    "ChannelsOptions",
    "ConsoleOptions",
    "SmtpOptions",
    "WebhookOptions",
]
