"""Mail by SMTP, over connections that stay open.

The text is written after the server has accepted the recipient. A connection whose exchange was interrupted is reset,
so that a mail that was given up can't arrive later.
"""

import asyncio
import ssl
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Annotated, Literal, Self

from aiosmtplib import SMTP, SMTPException, SMTPResponse, SMTPServerDisconnected
from pydantic import AfterValidator, Field, SecretStr, model_validator

from gateway.delivery.addresses import Address, one_address
from gateway.delivery.channels.mail import MailWriter, Sender
from gateway.delivery.channels.smtp_connections import Connections, drop
from gateway.errors import Delayed, DeliveryError, Undeliverable
from gateway.interfaces import Channel, Text
from gateway.networks import is_loopback
from gateway.options import Options

# RFC 5321 §4.2.1: the server will refuse the same mail again.
FINAL = range(500, 600)


def _sender(text: str) -> str:
    Sender(text)
    return text


def _file(path: Path) -> Path:
    # Not pydantic's FilePath: when a path is too long, it raises the error of the system, and not a ValueError.
    with suppress(OSError, ValueError):
        if path.is_file():
            return path
    raise ValueError("is not a file that can be read")


class SmtpOptions(Options):
    """The mail server, and the sender of the mails.

    *connections* is how many mails are on their way at once. An unused connection stays open for *idle_seconds*.
    *timeout_seconds* is for one answer of the server. *ca_file* replaces the system's certificate authorities.
    *local_hostname* is the name in EHLO; null means the domain of the sender.
    """

    kind: Literal["smtp"] = "smtp"
    host: Annotated[str, Field(min_length=1, pattern=r"^[^\s/@]+$")] = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 25
    security: Literal["none", "starttls", "tls"] = "none"
    username: str | None = None
    password: SecretStr | None = None
    sender: Annotated[str, AfterValidator(_sender)] = "Example <no-reply@example.org>"
    timeout_seconds: Annotated[float, Field(gt=0, le=300)] = 10
    connections: Annotated[int, Field(ge=1, le=64)] = 4
    idle_seconds: Annotated[float, Field(ge=0, le=3600)] = 30
    local_hostname: Annotated[str, Field(pattern=r"^[A-Za-z0-9.:\[\]-]+$")] | None = None
    ca_file: Annotated[Path, AfterValidator(_file)] | None = None

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password go together: give both, or neither")
        return self

    def risks(self) -> list[tuple[str, str]]:
        if self.password is None or self.security != "none" or is_loopback(self.host):
            return []
        return [("security", "is none: others in the network can read the password of the mail relay")]

    @asynccontextmanager
    async def open(self, *, clock: Callable[[], float] = time.time) -> AsyncGenerator[Channel]:
        """Yield the channel. It connects at the first mail, so a server that is down does not delay the start."""
        tls = None
        if self.security != "none":
            # Reading the certificate authorities takes some 20 ms, so it is done once, in a thread. It raises OSError
            # for a bad ca_file.
            tls = await asyncio.to_thread(ssl.create_default_context, cafile=self.ca_file)
        channel = SmtpChannel(self, tls=tls, clock=clock)
        try:
            yield channel
        finally:
            await channel.close()


class SmtpChannel:
    """A Channel. Raises Undeliverable for a 5xx about this mail, Delayed when another try may help."""

    def __init__(self, options: SmtpOptions, *, tls: ssl.SSLContext | None, clock: Callable[[], float]) -> None:
        self.options = options
        sender = Sender(options.sender)
        self._tls = tls
        self._clock = clock
        self._writer = MailWriter(sender)
        self._from = b"FROM:<%b>" % sender.address.spec.encode()
        self._name = options.local_hostname or sender.address.domain
        self._slots = asyncio.Semaphore(options.connections)
        self._kept = Connections(idle_seconds=options.idle_seconds)

    async def deliver(self, to: str, text: Callable[[], Awaitable[Text]], *, id: str) -> None:
        """Deliver to the address *to*. *text* is called after the server has accepted the recipient."""
        address = one_address(to)
        async with self._slots:
            smtp = await self._begin(address)
            try:
                await self._command(smtp, "recipient", b"RCPT", b"TO:<%b>" % address.spec.encode())
                written = await text()
                mail = self._writer.write(address, written, id=id, now=self._clock())
                await self._send_mail(smtp, mail)
            except BaseException as error:
                await self._settle(smtp, error)
                raise
            self._kept.keep(smtp)

    async def close(self) -> None:
        """Say QUIT and close the connections."""
        await self._kept.close()

    async def _begin(self, address: Address) -> SMTP:
        """A connection whose server has accepted MAIL FROM: a kept one, or a new one if the kept one has died."""
        kept = self._kept.take()
        if kept is not None:
            try:
                await self._mail_from(kept, address)
            except DeliveryError as error:
                if kept.is_connected and error.reason == "no_smtputf8":
                    self._kept.keep(kept)
                    raise
                drop(kept)
            else:
                return kept
        fresh = await self._connect()
        try:
            await self._mail_from(fresh, address)
        except BaseException as error:
            await self._settle(fresh, error)
            raise
        return fresh

    async def _mail_from(self, smtp: SMTP, address: Address) -> None:
        if address.is_ascii:
            await self._command(smtp, "sender", b"MAIL", self._from)
        elif smtp.supports_extension("smtputf8"):
            await self._command(smtp, "sender", b"MAIL", self._from, b"SMTPUTF8")
        else:
            raise Undeliverable("no_smtputf8")

    async def _send_mail(self, smtp: SMTP, mail: bytes) -> None:
        # Not SMTP.data(): it looks for line ends to correct. Ours are correct, and the search takes longer than writing
        # the mail (measured).
        await self._command(smtp, "text", b"DATA", expected=354)
        _expect(await self._within(smtp, "lost", _write(smtp, mail)), "text", 250)

    async def _command(self, smtp: SMTP, stage: str, *words: bytes, expected: int = 250) -> None:
        # Not SMTP.mail() and .rcpt(): they parse the address again, 15 µs each (measured), and accept more than we do.
        _expect(await self._within(smtp, "lost", smtp.execute_command(*words, timeout=None)), stage, expected)

    async def _within(self, smtp: SMTP, word: str, exchange: Awaitable[SMTPResponse]) -> SMTPResponse:
        """The answer of the server. Without an answer, drop the connection and raise Delayed with *word*."""
        try:
            async with asyncio.timeout(self.options.timeout_seconds):
                return await exchange
        except TimeoutError as error:
            drop(smtp)
            raise Delayed("timeout") from error
        # ValueError: the bytes are not an answer of SMTP.
        except (SMTPException, OSError, ValueError) as error:
            drop(smtp)
            raise Delayed(word) from error
        except BaseException:
            # The exchange was cancelled at the deadline: neither side knows what the other has received.
            drop(smtp)
            raise

    async def _connect(self) -> SMTP:
        options = self.options
        smtp = SMTP(
            hostname=options.host,
            port=options.port,
            timeout=None,
            use_tls=options.security == "tls",
            start_tls=False,
            tls_context=self._tls,
            local_hostname=self._name,
        )
        try:
            await self._within(smtp, "tls" if options.security == "tls" else "connect", smtp.connect())
            if options.security == "starttls":
                await self._within(smtp, "tls", smtp.starttls(timeout=None))
            await self._within(smtp, "connect", smtp.ehlo())
            if options.username is not None and options.password is not None:
                password = options.password.get_secret_value()
                await self._within(smtp, "auth", smtp.login(options.username, password, timeout=None))
        except BaseException:
            drop(smtp)
            raise
        return smtp

    async def _settle(self, smtp: SMTP, error: BaseException) -> None:
        """After *error*: keep the connection if the server accepts RSET; otherwise drop it."""
        if not isinstance(error, Exception) or not smtp.is_connected:
            drop(smtp)
            return
        try:
            await self._command(smtp, "reset", b"RSET")
        except DeliveryError:
            drop(smtp)
        except BaseException:
            drop(smtp)
            raise
        else:
            self._kept.keep(smtp)


async def _write(smtp: SMTP, mail: bytes) -> SMTPResponse:
    protocol = smtp.protocol
    if protocol is None:
        raise SMTPServerDisconnected("lost")
    # RFC 5321 §4.5.2: a dot at the start of a line is doubled, and a line with one dot ends the mail.
    protocol.write(mail.replace(b"\n.", b"\n..") + b".\r\n")
    return await protocol.read_response()


def _expect(response: SMTPResponse, stage: str, expected: int) -> None:
    """Raise unless *response* is as expected. The reason holds the stage and the code, never the text of the server."""
    # 251: the server accepts the recipient and forwards the mail.
    if response.code == expected or (response.code, expected) == (251, 250):
        return
    kind = Undeliverable if response.code in FINAL else Delayed
    raise kind(f"{stage}_{response.code}")
