"""nginx in front of the simulated Drupal: it reads requests as nginx 1.22 does where aiohttp would read them otherwise.

Requests as clients usually write them go to aiohttp as they are. Any other head is read here. What nginx accepts is
handed to aiohttp in the usual spelling and gets its own target, method and headers back afterwards; what nginx refuses
becomes a request for a page of nginx's. Measured with Drupal 10.6 and 11.4: bare LF, several blanks in the request
line, absolute form, raw UTF-8, any method in capitals, HTTP/0.9 and HTTP/1.2.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from aiohttp import HttpVersion, web
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from multidict import CIMultiDict, CIMultiDictProxy

from gateway.demo.drupal import markup
from gateway.demo.drupal.php import decode

HEAD_BYTES = 65_536
# How many requests of a connection may wait; aiohttp asks again once it has answered some.
QUEUE = 32
HTTP_0_9 = HttpVersion(0, 9)
# The host that PHP gets for a request without one: the default server_name.
NO_HOST = "_"
# What a refused request asks for. No client can: its target would have to begin with a slash or a scheme.
REFUSED = "!"
USUAL = re.compile(
    rb"(?:GET|POST|HEAD|PUT|PATCH|DELETE|OPTIONS) /[!-\"$-~]* HTTP/1\.[01]\r\n"
    rb"(?:(?!(?i:transfer-encoding|upgrade|expect):)[A-Za-z0-9-]+: ?[!-~](?:[ -~]*[!-~])?\r\n)*\r\n"
)
LENGTH = re.compile(rb"(?i)\ncontent-length: ?(\d+)\r")
END_OF_HEAD = re.compile(rb"\n\r?\n")
REQUEST_LINE = re.compile(r"([A-Z_-]+) +(/[^ ]*|[A-Za-z][A-Za-z0-9+.-]*://[^ ]*) *(?: HTTP/(\d+)\.(\d+) *)?")
ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://([A-Za-z0-9._~!$&'()*+,;=%\[\]-]+(?::\d{1,5})?)((?:[/?].*)?)")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
HEADER = re.compile(r"([!#$%&'*+.^`|~0-9A-Za-z_-]+):(.*)")
FIELD_ONCE = frozenset({"host", "content-length", "authorization", "transfer-encoding"})
NOT_A_HOST = re.compile(r"[\x00-\x20/\\#?@\x7f]|\.\.")
HIDDEN = re.compile(r"(?:^|/)\.(?!well-known/)")
MAX_PORT = 65_535

Messages = Sequence[tuple[RawRequestMessage, StreamReader]]


class Refused(Exception):
    """A request that nginx answers itself."""

    def __init__(self, status: HTTPStatus, *, bare: bool = False) -> None:
        super().__init__(status)
        self.status = status
        # Whether the answer is a body only, as for HTTP/0.9.
        self.bare = bare


@dataclass(frozen=True, kw_only=True)
class Head:
    """The head of a request; *target* begins with a slash."""

    method: str
    target: str
    version: HttpVersion
    headers: list[tuple[str, str]] = field(default_factory=list, repr=False)

    def value(self, name: str) -> str | None:
        return next((value for other, value in self.headers if other.lower() == name), None)


class Parser:
    """Stands in front of aiohttp's parser of one connection."""

    def __init__(self, parser: Any) -> None:
        self._parser = parser
        self._pending = b""
        # How many bytes of the current body are still to come; None for a chunked one.
        self._left: int | None = 0
        self._payload: StreamReader | None = None
        self._is_refused = False
        self._queued = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._parser, name)

    def message_consumed(self) -> None:
        """Note that a request is being answered, so that there is room for another one."""
        self._queued = max(0, self._queued - 1)
        self._parser.message_consumed()

    def feed_data(self, data: bytes) -> tuple[Messages, bool, bytes]:
        """Parse *data* as aiohttp's parser does: messages, whether the connection is upgraded, and what is left."""
        if not self._pending and (not data or (self._left == 0 and is_one_usual_request(data))):
            messages = self._parser.feed_data(data)[0]
        else:
            data, self._pending = self._pending + data, b""
            messages = self._split(data)
        self._queued += len(messages)
        return messages, False, b""

    def _split(self, data: bytes) -> Messages:
        messages: list[tuple[RawRequestMessage, StreamReader]] = []
        while data and not self._is_refused:
            if self._is_in_body():
                data = self._feed_body(data)
                continue
            data = data.lstrip(b"\r\n")
            end = _end_of_head(data)
            if end is None or self._queued + len(messages) >= QUEUE:
                self._wait(messages, data)
                break
            messages += self._read(data[:end])
            data = data[end:]
        return messages

    def _is_in_body(self) -> bool:
        if self._left is None:
            return self._payload is not None and not self._payload.is_eof()
        return self._left > 0

    def _feed_body(self, data: bytes) -> bytes:
        if self._left is None:
            self._parser.feed_data(data)
            return b""
        part = data[: self._left]
        self._left -= len(part)
        self._parser.feed_data(part)
        return data[len(part) :]

    def _wait(self, messages: list[tuple[RawRequestMessage, StreamReader]], data: bytes) -> None:
        self._pending = data
        if len(data) > HEAD_BYTES and _end_of_head(data) is None:
            messages += self._refuse(Refused(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE))

    def _read(self, raw: bytes) -> Messages:
        if USUAL.fullmatch(raw):
            messages: Messages = self._parser.feed_data(raw)[0]
            self._expect_body(messages)
            return messages
        try:
            head = read_head(raw)
        except Refused as refused:
            return self._refuse(refused)
        messages = self._parser.feed_data(_rewritten(head))[0]
        self._expect_body(messages)
        return [(_restored(message, head), payload) for message, payload in messages]

    def _expect_body(self, messages: Messages) -> None:
        for message, payload in messages:
            self._payload = payload
            length = message.headers.get("Content-Length", "0")
            self._left = None if message.chunked else int(length)

    def _refuse(self, refused: Refused) -> Messages:
        self._is_refused = True
        version = HTTP_0_9 if refused.bare else HttpVersion(1, 0)
        messages: Messages = self._parser.feed_data(b"GET / HTTP/1.0\r\n\r\n")[0]
        path = f"{REFUSED}{refused.status.value}"
        return [(message._replace(path=path, version=version), payload) for message, payload in messages]


def is_one_usual_request(data: bytes) -> bool:
    """Whether *data* is a whole request as clients usually write it, and nothing else."""
    head = USUAL.match(data)
    if head is None:
        return False
    length = LENGTH.search(data, 0, head.end())
    return len(data) - head.end() == (int(length[1]) if length else 0)


def listen(handler: Any) -> Any:
    """Put nginx in front of *handler*, which is aiohttp's protocol of one connection."""
    handler._parser = Parser(handler._parser)  # noqa: SLF001 - aiohttp has no other way to another parser
    return handler


def error_page(status: HTTPStatus) -> web.Response:
    """Return an error page of nginx."""
    phrases = {HTTPStatus.GATEWAY_TIMEOUT: "Gateway Time-out"}
    reason = phrases.get(status, status.phrase)
    headers = {"Server": "nginx", "Content-Type": "text/html"}
    return web.Response(
        status=status, reason=reason, body=markup.nginx(f"{status.value} {reason}").encode(), headers=headers
    )


async def without_head(request: web.Request, answer: web.Response) -> web.Response:
    """Send the body of *answer* alone, as HTTP/0.9 has it: no cookie reaches anybody (measured, Drupal 10.6/11.4)."""
    if request.transport is not None:
        request.transport.write(answer.body if isinstance(answer.body, bytes) else b"")
        request.transport.close()
    return answer


async def expect(request: web.Request) -> None:
    """Send 100 if the client waits for it. Measured: any other expectation is ignored."""
    if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")


def refusal(request: web.Request) -> HTTPStatus | None:
    """Return the status with which nginx refuses *request*, or None if it passes it on."""
    target, headers = request.raw_path, request.headers
    if target.startswith(REFUSED):
        return HTTPStatus(int(target[1:]))
    names = {name.lower() for name in headers}
    if len(names) < len(headers) and any(len(headers.getall(name, ())) > 1 for name in FIELD_ONCE):
        return HTTPStatus.BAD_REQUEST
    host = headers.get("Host", "")
    if NOT_A_HOST.search(host) or (not host and request.version >= HttpVersion(1, 1)):
        return HTTPStatus.BAD_REQUEST
    return check_path(target.partition("#")[0].partition("?")[0])


def check_path(path: str) -> HTTPStatus | None:
    """Return the status with which nginx refuses *path*: 400 for bad encoding, a NUL or too many dots; 403 if hidden.

    nginx resolves the path to choose a location. PHP gets it as it came.
    """
    if "%" not in path and "/." not in path:
        return None
    if re.search("%(?![0-9A-Fa-f]{2})", path):
        return HTTPStatus.BAD_REQUEST
    decoded = decode(path)
    resolved: list[str] = []
    for segment in decoded.split("/")[1:]:
        if segment == ".." and not resolved:
            return HTTPStatus.BAD_REQUEST
        if segment == "..":
            resolved.pop()
        elif segment not in (".", ""):
            resolved.append(segment)
    if "\0" in decoded:
        return HTTPStatus.BAD_REQUEST
    return HTTPStatus.FORBIDDEN if HIDDEN.search("/".join(resolved) + "/") else None


def read_head(raw: bytes) -> Head:
    """Read the head of a request, with its line ends. Raises Refused."""
    first, *lines = raw.decode(errors="surrogateescape").replace("\r\n", "\n").rstrip("\n").split("\n")
    found = REQUEST_LINE.fullmatch(first)
    if found is None or CONTROL.search(first):
        raise Refused(HTTPStatus.BAD_REQUEST)
    method, target, major, minor = found.groups()
    version = HttpVersion(int(major), int(minor)) if major else HTTP_0_9
    if version == HTTP_0_9 and (major or method != "GET"):
        raise Refused(HTTPStatus.BAD_REQUEST, bare=not major)
    if version.major > 1:
        raise Refused(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED)
    if method in ("CONNECT", "TRACE"):
        raise Refused(HTTPStatus.METHOD_NOT_ALLOWED)
    headers = [] if version == HTTP_0_9 else _read_headers(lines)
    head = Head(method=method, target=_origin_form(target), version=version, headers=headers)
    _check_framing(head)
    return head


def _read_headers(lines: list[str]) -> list[tuple[str, str]]:
    headers = []
    for line in lines:
        found = HEADER.fullmatch(line)
        if found is None or "\0" in line or "\r" in line:
            raise Refused(HTTPStatus.BAD_REQUEST)
        headers.append((found[1], found[2].strip(" ")))
    return headers


def _check_framing(head: Head) -> None:
    """Refuse bodies whose end is not clear (measured): lists, two lengths, both kinds, chunks in HTTP/1.0."""
    coding, length = head.value("transfer-encoding"), head.value("content-length")
    names = [name.lower() for name, _ in head.headers]
    if any(names.count(name) > 1 for name in FIELD_ONCE):
        raise Refused(HTTPStatus.BAD_REQUEST)
    if coding is not None and coding.lower() != "chunked":
        raise Refused(HTTPStatus.NOT_IMPLEMENTED)
    if coding is not None and (length is not None or head.version < HttpVersion(1, 1)):
        raise Refused(HTTPStatus.BAD_REQUEST)
    if length is not None and not re.fullmatch("[0-9]{1,18}", length):
        raise Refused(HTTPStatus.BAD_REQUEST)


def _origin_form(target: str) -> str:
    if target.startswith("/"):
        return target
    found = ABSOLUTE.fullmatch(target)
    port = found[1].rpartition(":")[2] if found else ""
    if found is None or (port.isdecimal() and int(port) > MAX_PORT):
        raise Refused(HTTPStatus.BAD_REQUEST)
    return found[2] if found[2].startswith("/") else "/" + found[2]


def _rewritten(head: Head) -> bytes:
    """Return a head that aiohttp reads as nginx reads *head*, as far as the body and the connection go."""
    minor = 0 if head.version < HttpVersion(1, 1) else 1
    lines = [f"POST / HTTP/1.{minor}", "Host: localhost"]
    if (length := head.value("content-length")) is not None:
        lines.append(f"Content-Length: {int(length)}")
    if head.value("transfer-encoding") is not None:
        lines.append("Transfer-Encoding: chunked")
    connection = (head.value("connection") or "").lower()
    if "close" in connection:
        lines.append("Connection: close")
    elif "keep-alive" in connection:
        lines.append("Connection: keep-alive")
    return "\r\n".join([*lines, "", ""]).encode()


def _restored(message: RawRequestMessage, head: Head) -> RawRequestMessage:
    version = min(head.version, HttpVersion(1, 1))
    headers = CIMultiDictProxy(CIMultiDict(head.headers))
    raw = tuple((name.encode(), value.encode(errors="surrogateescape")) for name, value in head.headers)
    return message._replace(
        method=head.method, path=head.target, version=version, headers=headers, raw_headers=raw, upgrade=False
    )


def _end_of_head(data: bytes) -> int | None:
    first, line_end, _ = data.partition(b"\n")
    if line_end and b" HTTP/" not in first and not re.search(rb"HTTP|http", first):
        return len(first) + 1
    found = END_OF_HEAD.search(data)
    return None if found is None else found.end()
