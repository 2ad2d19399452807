"""Recorded exchanges: how they are read, sent byte for byte over a socket, and compared."""

import asyncio
import gzip
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
FILES = {"10": HERE / "drupal-10.6.15.json", "11": HERE / "drupal-11.4.5.json"}
# Bytes that are no text stand as \xNN in these recorded bodies.
BINARY = frozenset({"login_invalid_utf8", "login_gzip_request_body"})
COMPARED = (
    "content-type",
    "location",
    "allow",
    "www-authenticate",
    "retry-after",
    "cache-control",
    "content-encoding",
    "link",
)
TOKEN = re.compile(r"[\w-]{43}")
COOKIE = re.compile(r"(?P<name>S?SESS[0-9a-f]{32})=(?P<value>[^;]*)(?P<attributes>.*)")
IDS = {"10": re.compile(r"(?:[A-Za-z0-9-]|%2C){48,}"), "11": re.compile(r"[0-9a-f]{32}")}
VARYING = {"csrf_token": TOKEN, "logout_token": TOKEN}
TIMES = frozenset({"created", "changed", "access", "login"})


@dataclass(frozen=True, kw_only=True)
class Exchange:
    name: str
    version: str
    request: dict[str, Any]
    response: dict[str, Any]

    @property
    def source(self) -> str:
        return self.request.get("source_ip", "127.0.0.1")

    @property
    def headers(self) -> list[tuple[str, str]]:
        return [(name, value) for name, value in self.request["headers"]]

    @property
    def body(self) -> bytes:
        body = self.request["body"].encode()
        return re.sub(rb"\\x([0-9a-f]{2})", _byte, body) if self.name in BINARY else body


@dataclass(kw_only=True)
class Answer:
    status: int
    reason: str
    body: bytes
    headers: list[tuple[str, str]] = field(default_factory=list)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name]

    @property
    def cookie(self) -> str:
        return COOKIE.fullmatch(self.all("set-cookie")[0])["value"]


def recorded(version: str) -> list[Exchange]:
    exchanges = json.loads(FILES[version].read_text())
    return [
        Exchange(name=one["name"], version=version, request=one["request"], response=one["response"])
        for one in exchanges
    ]


def recorded_forms() -> list[dict[str, Any]]:
    """Return what the account form and its neighbours were, to bob and to nobody."""
    forms: list[dict[str, Any]] = json.loads((HERE / "account-form.json").read_text())
    return forms


def recorded_uuids(version: str) -> dict[str, str]:
    """Return the uuids that the recorded site gave its accounts, by name."""
    uuids: dict[str, str] = {}
    for exchange in recorded(version):
        if "user--user" in exchange.response["body"]:
            data = json.loads(exchange.response["body"]).get("data", [])
            for account in data if isinstance(data, list) else [data]:
                uuids[account["attributes"]["display_name"]] = account["id"]
        if exchange.name == "basic_unicode_jsonapi":
            uuids["Ünïcode Üser"] = json.loads(exchange.response["body"])["meta"]["links"]["me"]["meta"]["id"]
    return uuids


async def send(
    port: int, method: str, path: str, headers: list[tuple[str, str]], body: bytes = b"", *, source: str = "127.0.0.1"
) -> Answer:
    """Send one request exactly as given and read its answer to the end of the connection."""
    names = {name.lower() for name, _ in headers}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers), "Connection: close"]
    if (body or "content-type" in names) and "transfer-encoding" not in names:
        lines.append(f"Content-Length: {len(body)}")
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
    writer.write("\r\n".join([*lines, "", ""]).encode() + body)
    raw = await reader.read()
    writer.close()
    await writer.wait_closed()
    return _parsed(raw.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n"))


def expected(exchange: Exchange) -> dict[str, Any]:
    """Describe what was recorded, to compare with the description of an answer."""
    response = exchange.response
    headers = [(name, value) for name, value in response["headers"]]
    body = response["body"].encode()
    return described(Answer(status=response["status"], reason=response["reason"], body=body, headers=headers))


def described(answer: Answer) -> dict[str, Any]:
    """Describe an answer by everything but what is random, a date, or a page's markup."""
    headers = {name: answer.all(name) for name in COMPARED}
    cookies = [shape(cookie) for cookie in answer.all("set-cookie")]
    return {"status": (answer.status, answer.reason), **headers, "cookies": cookies, "body": _body(answer)}


def shape(cookie: str) -> tuple[str, str, str]:
    """Return a cookie's name, what kind of value it has, and its attributes in their order."""
    found = COOKIE.fullmatch(cookie)
    kinds = [f"an id of {version}" for version, pattern in IDS.items() if pattern.fullmatch(found["value"])]
    attributes = re.sub(r"expires=\w{3}, \d\d \w{3} 20\d\d \d\d:\d\d:\d\d GMT", "expires=later", found["attributes"])
    return found["name"], kinds[0] if kinds else found["value"], attributes


def _body(answer: Answer) -> Any:
    text = answer.body.decode()
    if text.startswith(("(an HTML page", "<!DOCTYPE html>")):
        return "a page"
    if text and "json" in "".join(answer.all("content-type")):
        return _steady(json.loads(text, object_pairs_hook=_Pairs))
    return "43 characters" if TOKEN.fullmatch(text) else text


class _Pairs(list[tuple[str, Any]]):
    """A JSON object that remembers the order of its keys."""


def _steady(value: Any, key: str = "") -> Any:
    if isinstance(value, _Pairs):
        return _Pairs((name, _steady(one, name if name != "value" else key)) for name, one in value)
    if isinstance(value, list):
        return [_steady(one, key) for one in value]
    if key in VARYING:
        return bool(VARYING[key].fullmatch(value))
    return re.sub(r"\d", "0", value) if key in TIMES else value


def _parsed(raw: bytes) -> Answer:
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    _, status, reason = first.split(" ", 2)
    headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    answer = Answer(status=int(status), reason=reason, body=body, headers=headers)
    if "gzip" in answer.all("content-encoding"):
        answer.body = gzip.decompress(body)
    return answer


def _byte(found: re.Match[bytes]) -> bytes:
    return bytes([int(found[1], 16)])
