"""The simulated Drupal with simple_oauth answers like the real one that was recorded, Drupal 10.5 with simple_oauth 6.0.9."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from gateway.demo.drupal.server import SimulatedDrupal, running
from gateway.demo.drupal.site import DrupalOptions
from tests.contracts.recorded.wire import Answer, send

RECORDED = Path(__file__).parent / "recorded" / "simple-oauth-6.0.9.json"
EXCHANGES = json.loads(RECORDED.read_text())
HOST = ("Host", "127.0.0.1:8083")
FORM = ("Content-Type", "application/x-www-form-urlencoded")
COMPARED = ("content-type", "location", "www-authenticate", "allow", "cache-control")
SECRETS = {r"eyJ[\w-]+\.[\w-]+\.[\w-]+": "{JWT}", r"(?:def50200)?[0-9a-f]{100,}": "{SECRET}"}
REDEEM = "grant_type=authorization_code&client_id=gw&client_secret=gw-secret-1&redirect_uri=http%3A%2F%2F127.0.0.1%3A9999%2Fcb&code={}"
REFRESH = "grant_type=refresh_token&client_id=gw&client_secret=gw-secret-1&refresh_token={}"


class Run:
    """A running site, and the session, the code and the tokens of alice."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.cookie = self.code = ""
        self.tokens: Mapping[str, str] = {}

    async def prepare(self) -> None:
        login = b'{"name":"alice","pass":"alice-pass-1"}'
        json_type = ("Content-Type", "application/json")
        answer = await send(self.port, "POST", "/user/login?_format=json", [HOST, json_type], login)
        self.cookie = answer.cookie or ""
        path = next(one["request"]["path"] for one in EXCHANGES if one["name"] == "oauth_authorize_cookie")
        cookie = ("Cookie", f"SESS12ca17b49af2289436f303e0166030a2={self.cookie}")
        codes = [await send(self.port, "GET", path, [HOST, cookie]) for _ in range(2)]
        self.code = code_in(codes[0])
        self.tokens = await self.ask(REDEEM.format(code_in(codes[1])))

    async def ask(self, body: str) -> Any:
        return json.loads((await send(self.port, "POST", "/oauth/token", [HOST, FORM], body.encode())).body)

    def filled(self, name: str, text: str) -> str:
        secret = self.tokens["refresh_token"] if "refresh" in name else self.code
        values = {"{COOKIE}": self.cookie, "{JWT}": self.tokens["access_token"], "{SECRET}": secret}
        for placeholder, value in values.items():
            text = text.replace(placeholder, value)
        return text


def code_in(answer: Answer) -> str:
    return answer.all("location")[0].partition("code=")[2].partition("&")[0]


@pytest.mark.parametrize("exchange", EXCHANGES, ids=[exchange["name"] for exchange in EXCHANGES])
async def test_it_answers_as_recorded(exchange: dict[str, Any]):
    name, request = exchange["name"], exchange["request"]
    modules = frozenset({"jsonapi", "rest", "basic_auth", "simple_oauth"})
    async with running(SimulatedDrupal(DrupalOptions(version="10.5", modules=modules))) as url:
        run = Run(urlsplit(url).port or 0)
        await run.prepare()
        if name == "oauth_code_reuse":
            await run.ask(REDEEM.format(run.code))
        if name in ("oauth_refresh_reuse", "oauth_old_access_after_refresh"):
            await run.ask(REFRESH.format(run.tokens["refresh_token"]))
        headers = [(key, run.filled(name, value)) for key, value in request["headers"]]
        body = run.filled(name, request["body"]).encode()
        answer = await send(run.port, request["method"], request["path"], headers, body)

    recorded = exchange["response"]
    headers = [(key, value) for key, value in recorded["headers"]]
    expected = Answer(status=recorded["status"], reason="", body=recorded["body"].encode(), headers=headers)
    assert described(answer) == described(expected)


def described(answer: Answer) -> dict[str, Any]:
    headers = {name: [without_secrets(value) for value in answer.all(name)] for name in COMPARED}
    text = answer.body.decode()
    if text.startswith(("(an HTML page", "<!DOCTYPE html>")):
        return {"status": answer.status, **headers, "body": "a page"}
    if text.startswith("{"):
        document = json.loads(text)
        # The list of resources is the site's own, and the uuid of an account, too.
        document.pop("links", None)
        document.pop("meta", None)
        return {
            "status": answer.status,
            **headers,
            "body": list(json.loads(without_secrets(json.dumps(document))).items()),
        }
    return {"status": answer.status, **headers, "body": text}


def without_secrets(text: str) -> str:
    text = re.sub(r'"(updated_at|expires_in)": [^,}]+', r'"\1": 0', text)
    for pattern, placeholder in SECRETS.items():
        text = re.sub(pattern, placeholder, text)
    return text
