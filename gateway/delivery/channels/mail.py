"""The bytes of a mail: what never changes is written once, what does is checked and put in.

EmailMessage would do the same at four times the cost of a whole login (measured).
What comes out is seven bits wide, CRLF at every line's end and no line too long, so
any server may carry it; the tests have `email` read it back.
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

# Quoted-printable knows "=" before two hex digits or a line's end only, so no part can hold this one.
BOUNDARY = b"=_headgate"
# RFC 5322 §2.1.1, without CRLF.
LONGEST_LINE = 998
# RFC 2047 §2: an encoded word has 75 letters at most, and this is what base64 leaves of them.
LONGEST_WORD = 45
IS_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
IS_SENDER = re.compile(r'\s*(?:"?(?P<name>[^"<>\x00-\x1f\x7f]*?)"?\s*<(?P<spec>[^<>\s]+)>|(?P<bare>[^<>\s]+))\s*')


class Sender:
    """Who a mail is from: `Example <no-reply@example.org>` or the bare address. Raises ValueError for anything else."""

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
        """The From line's value, seven bits wide."""
        if not self.name:
            return self.address.spec.encode()
        if self.name.isascii():
            spec = HeaderAddress(self.name, self.address.local, self.address.domain)
            return str(spec).encode()
        return encoded_words(self.name) + b" <" + self.address.spec.encode() + b">"


class Letterhead:
    """Writes the mails of one sender."""

    def __init__(self, sender: Sender) -> None:
        self._domain = sender.address.domain.encode()
        self._head = (
            b"From: " + sender.header + b"\r\n"
            # RFC 3834 §5: nobody's absence note answers.
            b"Auto-Submitted: auto-generated\r\n"
            b"MIME-Version: 1.0\r\n"
        )

    def write(self, to: Address, text: Text, *, id: str, now: float) -> bytes:
        """The whole mail. *id* makes its Message-ID, *now* its Date, in seconds since the epoch."""
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
            # Without it the server would wait for the end of the last line.
            return head + plain + (b"" if plain.endswith(b"\r\n") else b"\r\n")
        html = _part(b"text/html", text.html, ascii=text.html.encode("ascii", "xmlcharrefreplace"))
        return b'%bContent-Type: multipart/alternative; boundary="%b"\r\n\r\n--%b\r\n%b\r\n--%b\r\n%b\r\n--%b--\r\n' % (
            head, BOUNDARY, BOUNDARY, plain, BOUNDARY, html, BOUNDARY
        )  # fmt: skip


def header_text(text: str) -> bytes:
    """*text* as a header's value: no line break of it survives, and what is not ASCII becomes encoded words."""
    text = " ".join(text.split())
    if text.isascii() and text.isprintable() and "=?" not in text:
        return text.encode()
    return encoded_words(text)


def encoded_words(text: str) -> bytes:
    """*text* as RFC 2047 encoded words, one on each line, none splitting a letter (§5)."""
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
    # An operator finds the event's id in the mail server's log; one of a form that a header can't hold is only the same
    # at each try.
    return id.encode() if IS_ID.fullmatch(id) else sha256(id.encode("utf-8", "replace")).hexdigest()[:32].encode()


def _part(kind: bytes, text: str, ascii: bytes | None = None) -> bytes:
    """One part: as it stands where seven bits can, quoted-printable otherwise. *ascii* is the same text in ASCII."""
    body = (ascii if ascii is not None else text.encode("utf-8", "replace")).replace(b"\r", b"")
    encoding = b"7bit"
    if not _may_stand(body):
        body = b2a_qp(body, istext=True)
        encoding = b"quoted-printable"
    head = b"Content-Type: %b; charset=utf-8\r\nContent-Transfer-Encoding: %b\r\n\r\n" % (kind, encoding)
    return head + body.replace(b"\n", b"\r\n")


def _may_stand(body: bytes) -> bool:
    return (
        body.isascii()
        and BOUNDARY not in body
        and b"\0" not in body
        and max(map(len, body.split(b"\n"))) <= LONGEST_LINE
    )
