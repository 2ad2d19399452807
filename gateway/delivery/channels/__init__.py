"""The channels: how a message reaches a person. One file for each kind.

    channels.email       smtp      a mail server
    channels.sms         apprise   a provider, named by a URL of the library apprise
                         vonage    the SMS API of Vonage
    channels.voice       apprise
    channels.whatsapp    apprise
    each of them         webhook   a sender of the operator's own
                         console   printed to stderr, for development

To add a kind, write one file with its options, whose `open()` yields a Channel, and add the options to a union below.
"""

from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator, Field

from gateway.delivery.channels.apprise import AppriseOptions
from gateway.delivery.channels.console import ConsoleOptions
from gateway.delivery.channels.smtp import SmtpOptions
from gateway.delivery.channels.vonage import VonageOptions
from gateway.delivery.channels.webhook import WebhookOptions
from gateway.options import Options


def _by_default(kind: str) -> BeforeValidator:
    """Make *kind* the default, so that a single environment variable can be enough."""
    return BeforeValidator(lambda given: {"kind": kind, **given} if isinstance(given, Mapping) else given)


MailOptions = SmtpOptions | WebhookOptions | ConsoleOptions
PhoneOptions = AppriseOptions | WebhookOptions | ConsoleOptions
SmsOptions = PhoneOptions | VonageOptions
ChannelOptions = MailOptions | SmsOptions

# HEADGATE_CHANNELS__EMAIL__HOST is enough, and so is HEADGATE_CHANNELS__SMS__URL_FILE.
Mail = Annotated[MailOptions, Field(discriminator="kind"), _by_default("smtp")]
Sms = Annotated[SmsOptions, Field(discriminator="kind"), _by_default("apprise")]
Phone = Annotated[PhoneOptions, Field(discriminator="kind"), _by_default("apprise")]


class ChannelsOptions(Options):
    """The channels of the site; None where there is no such channel. Their names are those in METHODS."""

    email: Mail | None = SmtpOptions()
    sms: Sms | None = None
    voice: Phone | None = None
    whatsapp: Phone | None = None
