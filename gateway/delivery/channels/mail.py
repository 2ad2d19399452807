"""The bytes of a mail.

The headers that never change are written once; the others are checked and put in. EmailMessage would do the same, and
take four times as long as a whole login (measured). The mail is 7-bit, with CRLF at the end of each line and no line
too long, so that every server accepts it. The tests parse it with `email`.
"""

import re
from base64 import b64encode
from binascii import b2a_qp
from email.headerregistry import Address as HeaderAddress
from email.utils import formatdate
from hashlib import sha256

from gateway.delivery.addresses import Address, one_address
from gateway.errors import Undeliverable
from gateway.interfaces import Text

# In quoted-printable, "=" stands only before two hex digits or at the end of a line, so no part can hold this.
BOUNDARY = b"=_headgate"
# RFC 5322 §2.1.1, without CRLF.
LONGEST_LINE = 998
# RFC 2047 §2: an encoded word has at most 75 characters, so it holds at most this many octets (in base64).
LONGEST_WORD = 45
IS_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
IS_SENDER = re.compile(r'\s*(?:"?(?P<name>[^"<>\x00-\x1f\x7f]*?)"?\s*<(?P<spec>[^<>\s]+)>|(?P<bare>[^<>\s]+))\s*')


class Sender:
    """The sender of a mail: `Example <no-reply@example.org>` or an address alone. Raises ValueError for other texts."""

    def __init__(self, text: str) -> None:
        match = IS_SENDER.fullmatch(text)
        try:
            address = one_address((match["spec"] or match["bare"]) if match else "")
        except Undeliverable as error:
            raise ValueError("must be one address, like: Example <no-reply@example.org>") from error
        if not address.is_ascii:
            raise ValueError("the part before the @ must be ASCII")
        self.address = address
        self.name = (match["name"] or "") if match else ""

    @property
    def header(self) -> bytes:
        """The value of the From header, in ASCII."""
        if not self.name:
            return self.address.spec.encode()
        if self.name.isascii():
            spec = HeaderAddress(self.name, self.address.local, self.address.domain)
            return str(spec).encode()
        return encoded_words(self.name) + b" <" + self.address.spec.encode() + b">"


class MailWriter:
    """Writes the mails of one sender."""

    def __init__(self, sender: Sender) -> None:
        self._domain = sender.address.domain.encode()
        self._head = (
            b"From: " + sender.header + b"\r\n"
            # RFC 3834 §5: keeps vacation notes from answering.
            b"Auto-Submitted: auto-generated\r\n"
            b"MIME-Version: 1.0\r\n"
        )

    def write(self, to: Address, text: Text, *, id: str, now: float) -> bytes:
        """The whole mail. *id* goes into its Message-ID; *now* is its Date, in seconds since the epoch."""
        plain = _part(b"text/plain", text.plain)
        head = b"%bTo: %b\r\nDate: %b\r\nMessage-ID: <%b@%b>\r\nSubject: %b\r\n" % (
            self._head,
            to.spec.encode(),
            formatdate(now).encode(),
            _id(id),
            self._domain,
            header_text(text.subject),
        )
        if not text.html:
            # A mail has to end with a line end, or the server would wait for more.
            return head + plain + (b"" if plain.endswith(b"\r\n") else b"\r\n")
        html = _part(b"text/html", text.html, ascii=text.html.encode("ascii", "xmlcharrefreplace"))
        return b'%bContent-Type: multipart/alternative; boundary="%b"\r\n\r\n--%b\r\n%b\r\n--%b\r\n%b\r\n--%b--\r\n' % (
            head, BOUNDARY, BOUNDARY, plain, BOUNDARY, html, BOUNDARY
        )  # fmt: skip


def header_text(text: str) -> bytes:
    """*text* as the value of a header: on one line, and as encoded words when it is not printable ASCII."""
    text = " ".join(text.split())
    if text.isascii() and text.isprintable() and "=?" not in text:
        return text.encode()
    return encoded_words(text)


def encoded_words(text: str) -> bytes:
    """*text* as RFC 2047 encoded words, one on each line. No letter is split between two words (§5)."""
    words: list[bytes] = []
    word = b""
    for letter in text:
        octets = letter.encode("utf-8", "replace")
        if len(word) + len(octets) > LONGEST_WORD:
            words.append(word)
            word = b""
        word += octets
    words.append(word)
    return b"\r\n ".join(b"=?utf-8?b?%b?=" % b64encode(word) for word in words)


def _id(id: str) -> bytes:
    # The Message-ID contains the id, so that an operator can find the id of an event in the log of the mail server.
    # An id that a header can't hold is hashed, so that it is the same at each try.
    return id.encode() if IS_ID.fullmatch(id) else sha256(id.encode("utf-8", "replace")).hexdigest()[:32].encode()


def _part(kind: bytes, text: str, ascii: bytes | None = None) -> bytes:
    """One MIME part: 7-bit where possible, quoted-printable otherwise. *ascii* replaces *text*, if given."""
    body = (ascii if ascii is not None else text.encode("utf-8", "replace")).replace(b"\r", b"")
    encoding = b"7bit"
    if not _fits_7bit(body):
        body = b2a_qp(body, istext=True)
        encoding = b"quoted-printable"
    head = b"Content-Type: %b; charset=utf-8\r\nContent-Transfer-Encoding: %b\r\n\r\n" % (kind, encoding)
    return head + body.replace(b"\n", b"\r\n")


def _fits_7bit(body: bytes) -> bool:
    return (
        body.isascii()
        and BOUNDARY not in body
        and b"\0" not in body
        and max(map(len, body.split(b"\n"))) <= LONGEST_LINE
    )
