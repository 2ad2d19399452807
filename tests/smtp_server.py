"""A real mail server on a free port of this host, in the loop of the test, that goes wrong on demand."""

# ruff: noqa: N802 - aiosmtpd finds its hooks by these names, and calls them with these arguments

import asyncio
import datetime as dt
import email.message
import email.policy
import ipaddress
import ssl
import warnings
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from email.parser import BytesParser
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.ports import free_port


@dataclass(frozen=True, kw_only=True)
class Mail:
    """One accepted mail: the envelope and the bytes."""

    sender: str
    recipients: tuple[str, ...]
    options: tuple[str, ...]
    content: bytes

    @property
    def parsed(self) -> email.message.EmailMessage:
        return BytesParser(policy=email.policy.default).parsebytes(self.content)

    @property
    def plain(self) -> str:
        return self._body("plain")

    @property
    def html(self) -> str:
        return self._body("html")

    def _body(self, kind: str) -> str:
        return self.parsed.get_body((kind,)).get_content().replace("\r\n", "\n")


class Mailbox:
    """Stages are MAIL, RCPT, DATA (before 354) and TEXT (after the dot).

    *answers* gives a stage another answer than 250, *once* only the next time, *held* keeps a stage waiting, *seconds_per_byte* slows every
    answer down, *drops_after_text* takes a mail and closes without a word.
    """

    def __init__(
        self,
        *,
        smtputf8: bool = True,
        tls: ssl.SSLContext | None = None,
        security: str = "none",
        login: tuple[str, str] | None = None,
    ) -> None:
        self.smtputf8 = smtputf8
        self.tls = tls
        self.security = security
        self.login = login
        self.port = 0
        self.mails: list[Mail] = []
        self.seen: list[str] = []
        self.answers: dict[str, str] = {}
        self.once: dict[str, str] = {}
        self.seconds_per_byte = 0.0
        self.drops_after_text = False
        self.connections = 0
        self.open_connections: set[_Server] = set()
        self._gates: dict[str, asyncio.Event] = {}
        self._changed = asyncio.Event()
        self._server: asyncio.Server | None = None

    @classmethod
    @asynccontextmanager
    async def open(cls, **options) -> AsyncGenerator["Mailbox"]:
        mailbox = cls(**options)
        await mailbox.start()
        try:
            yield mailbox
        finally:
            await mailbox.stop()

    async def start(self) -> None:
        """Listen; after a stop() on the same port, which nobody else has got meanwhile."""
        self.port = self.port or free_port()
        tls = self.tls if self.security == "tls" else None
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._accept, "127.0.0.1", self.port, ssl=tls, reuse_address=True)

    async def stop(self) -> None:
        """Refuse connections, and reset those there are."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for gate in self._gates.values():
            gate.set()
        self.reset()
        await asyncio.sleep(0)

    def reset(self) -> None:
        """Close every open connection without a word."""
        for server in list(self.open_connections):
            if server.transport is not None:
                server.transport.abort()

    @contextmanager
    def held(self, stage: str) -> Generator[None]:
        gate = self._gates[stage] = asyncio.Event()
        try:
            yield
        finally:
            gate.set()
            del self._gates[stage]

    async def reached(self, stage: str, *, times: int = 1) -> None:
        """Wait until a client has come to *stage*."""
        await self._until(lambda: self.seen.count(stage) >= times)

    async def mail(self, number: int = 1) -> Mail:
        """Wait for the mail of that number."""
        await self._until(lambda: len(self.mails) >= number)
        return self.mails[number - 1]

    def note(self, stage: str) -> None:
        self.seen.append(stage)
        self._changed.set()

    def receive(self, mail: Mail) -> None:
        self.mails.append(mail)
        self._changed.set()

    async def _until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def pass_stage(self, stage: str) -> str | None:
        """Wait as long as the stage is held; the answer if it is refused."""
        self.note(stage)
        if stage in self._gates:
            await self._gates[stage].wait()
        return self.once.pop(stage, None) or self.answers.get(stage)

    def _accept(self) -> "_Server":
        with warnings.catch_warnings():
            # It warns of passwords without TLS: on loopback, that is a test.
            warnings.simplefilter("ignore")
            return _Server(self)


class _Server(SMTP):
    """One connection."""

    def __init__(self, mailbox: Mailbox) -> None:
        self.mailbox = mailbox
        handler = _Handler(mailbox)
        super().__init__(
            handler,
            hostname="mail.example.test",
            ident="SMTP",
            enable_SMTPUTF8=mailbox.smtputf8,
            tls_context=mailbox.tls if mailbox.security == "starttls" else None,
            require_starttls=mailbox.security == "starttls",
            auth_required=mailbox.login is not None,
            auth_require_tls=False,
            authenticator=handler.authenticate,
            loop=asyncio.get_running_loop(),
        )

    def connection_made(self, transport):
        if self not in self.mailbox.open_connections:
            self.mailbox.connections += 1
            self.mailbox.open_connections.add(self)
        super().connection_made(transport)

    def connection_lost(self, error):
        self.mailbox.open_connections.discard(self)
        if self._handler_coroutine is not None:
            # What a reset raises there is nobody's business.
            self._handler_coroutine.add_done_callback(lambda task: task.cancelled() or task.exception())
        super().connection_lost(error)

    async def push(self, status):
        line = status.encode() if isinstance(status, str) else status
        if self.mailbox.seconds_per_byte:
            for octet in line:
                self._writer.write(bytes([octet]))
                await asyncio.sleep(self.mailbox.seconds_per_byte)
            line = b""
        self._writer.write(line + b"\r\n")
        await self._writer.drain()

    async def smtp_MAIL(self, arg):
        await self._unless_refused("MAIL", super().smtp_MAIL, arg)

    async def smtp_RCPT(self, arg):
        await self._unless_refused("RCPT", super().smtp_RCPT, arg)

    async def smtp_DATA(self, arg):
        await self._unless_refused("DATA", super().smtp_DATA, arg)

    async def smtp_RSET(self, arg):
        await self._unless_refused("RSET", super().smtp_RSET, arg)

    async def smtp_QUIT(self, arg):
        self.mailbox.note("QUIT")
        await super().smtp_QUIT(arg)

    async def _unless_refused(self, stage, serve, arg):
        refusal = await self.mailbox.pass_stage(stage)
        if refusal is None:
            await serve(arg)
            return
        await self.push(refusal)
        if refusal.startswith("421"):
            self.transport.close()


@dataclass(frozen=True)
class _Handler:
    mailbox: Mailbox

    async def handle_DATA(self, server, session, envelope):
        refusal = await self.mailbox.pass_stage("TEXT")
        if refusal is not None:
            return refusal
        mail = Mail(
            sender=envelope.mail_from,
            recipients=tuple(envelope.rcpt_tos),
            options=tuple(envelope.mail_options),
            content=envelope.original_content,
        )
        self.mailbox.receive(mail)
        if self.mailbox.drops_after_text:
            server.transport.abort()
        return "250 OK"

    def authenticate(self, server, session, envelope, mechanism, auth_data):
        given = (auth_data.login.decode(), auth_data.password.decode())
        return AuthResult(success=given == self.mailbox.login, handled=False)


def certificate(folder: Path, *, host: str = "127.0.0.1") -> Path:
    """A self-made certificate for *host*, with its key in one file, that also serves as the authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    is_name = host.strip("0123456789.:") != ""
    alternative = x509.DNSName(host) if is_name else x509.IPAddress(ipaddress.ip_address(host))
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


def server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context
