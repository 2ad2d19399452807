"""Mail by SMTP, over connections that stay open.

The text is asked for after the server has taken the recipient, and a connection
whose exchange was cut is torn down: what it still holds must not arrive later.
"""

import asyncio
import ssl
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Literal, Self

from aiosmtplib import SMTP, SMTPException, SMTPResponse, SMTPServerDisconnected
from pydantic import AfterValidator, Field, FilePath, SecretStr, model_validator

from gateway.delivery.addresses import Address, one_address
from gateway.delivery.channels.mail import Letterhead, Sender
from gateway.delivery.channels.smtp_connections import Connections, drop
from gateway.errors import Delayed, DeliveryError, Undeliverable
from gateway.interfaces import Channel, Text
from gateway.options import Options

# RFC 5321 §4.2.1: the same mail will be refused again.
FOR_GOOD = range(500, 600)


def _sender(text: str) -> str:
    Sender(text)
    return text


class SmtpOptions(Options):
    """The mail server, and who the mails are from.

    *connections* is how many mails are on their way at once; each stays open for *idle_seconds*. *timeout_seconds*
    is for one answer of the server. *ca_file* replaces the system's certificate authorities. *local_hostname* is said
    in EHLO, the sender's domain when null.
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
    ca_file: FilePath | None = None

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password go together: give both, or neither")
        return self

    @asynccontextmanager
    async def open(self, *, clock: Callable[[], float] = time.time) -> AsyncGenerator[Channel]:
        """Yield the channel; the server is met at the first mail, so that one that is down delays no start."""
        tls = None
        if self.security != "none":
            # Reading the authorities takes some 20 ms: once, and not in the loop. Raises OSError for a bad ca_file.
            tls = await asyncio.to_thread(ssl.create_default_context, cafile=self.ca_file)
        channel = SmtpChannel(self, tls=tls, clock=clock)
        try:
            yield channel
        finally:
            await channel.close()


class SmtpChannel:
    """A Channel. Raises Undeliverable for a 5xx about this mail, Delayed for everything that may pass."""

    def __init__(self, options: SmtpOptions, *, tls: ssl.SSLContext | None, clock: Callable[[], float]) -> None:
        self.options = options
        sender = Sender(options.sender)
        self._tls = tls
        self._clock = clock
        self._letterhead = Letterhead(sender)
        self._from = b"FROM:<%b>" % sender.address.spec.encode()
        self._name = options.local_hostname or sender.address.domain
        self._slots = asyncio.Semaphore(options.connections)
        self._kept = Connections(idle_seconds=options.idle_seconds)

    async def deliver(self, to: str, text: Callable[[], Awaitable[Text]], *, id: str) -> None:
        """Deliver to the one address that *to* is; *text* is asked once the server has taken the recipient."""
        address = one_address(to)
        async with self._slots:
            smtp = await self._begin(address)
            try:
                await self._command(smtp, "recipient", b"RCPT", b"TO:<%b>" % address.spec.encode())
                written = await text()
                mail = self._letterhead.write(address, written, id=id, now=self._clock())
                await self._hand_over(smtp, mail)
            except BaseException as error:
                await self._settle(smtp, error)
                raise
            self._kept.keep(smtp)

    async def close(self) -> None:
        """Take leave of the server."""
        await self._kept.close()

    async def _begin(self, address: Address) -> SMTP:
        """A connection that has taken MAIL FROM. One that was kept may have died unseen: then a fresh one."""
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

    async def _hand_over(self, smtp: SMTP, mail: bytes) -> None:
        # Not SMTP.data(): it mends line ends that are right here, for more than the mail has cost so far (measured).
        await self._command(smtp, "text", b"DATA", expected=354)
        _expect(await self._within(smtp, "lost", _send(smtp, mail)), "text", 250)

    async def _command(self, smtp: SMTP, stage: str, *words: bytes, expected: int = 250) -> None:
        # Not SMTP.mail() and .rcpt(): they parse the address anew, 15 µs each (measured), and more leniently than we.
        _expect(await self._within(smtp, "lost", smtp.execute_command(*words, timeout=None)), stage, expected)

    async def _within(self, smtp: SMTP, word: str, exchange: Awaitable[SMTPResponse]) -> SMTPResponse:
        """The server's answer. Raises Delayed with *word* when there is none, and drops the connection."""
        try:
            async with asyncio.timeout(self.options.timeout_seconds):
                return await exchange
        except TimeoutError as error:
            drop(smtp)
            raise Delayed("timeout") from error
        # ValueError: bytes that are no answer, as a port that does not speak SMTP sends them.
        except (SMTPException, OSError, ValueError) as error:
            drop(smtp)
            raise Delayed(word) from error
        except BaseException:
            # Cut at the deadline: what has been said is not known to either side.
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
        """After *error*: a connection that is in step with the server is kept, any other dropped."""
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


async def _send(smtp: SMTP, mail: bytes) -> SMTPResponse:
    protocol = smtp.protocol
    if protocol is None:
        raise SMTPServerDisconnected("lost")
    # RFC 5321 §4.5.2: a line's first dot is doubled, and one alone ends the mail.
    protocol.write(mail.replace(b"\n.", b"\n..") + b".\r\n")
    return await protocol.read_response()


def _expect(response: SMTPResponse, stage: str, expected: int) -> None:
    """Raise unless *response* is as expected; the reason holds the stage and the code, never the server's text."""
    # 251: the server forwards to where the account has moved.
    if response.code == expected or (response.code, expected) == (251, 250):
        return
    kind = Undeliverable if response.code in FOR_GOOD else Delayed
    raise kind(f"{stage}_{response.code}")
