"""A site behind the guard, and a browser: it keeps cookies, shows pages and follows no redirect by itself."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from selectolax.lexbor import LexborHTMLParser
from yarl import URL

from tests.ports import free_port
from tests.world import PASSWORDS, SESSION_NAME, World

PAGE = {"Accept": "text/html,application/xhtml+xml"}
JSON = {"Accept": "application/json", "Content-Type": "application/json"}


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a client received."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    set_cookies: tuple[str, ...] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def location(self) -> str:
        return self.headers.get("Location", "")

    def json(self):
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()


class Browser:
    """Keeps cookies as browsers do."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.jar = aiohttp.CookieJar(unsafe=True, quote_cookie=False)
        self.http = aiohttp.ClientSession(cookie_jar=self.jar, auto_decompress=True)

    async def ask(self, method: str, path: str, *, data=None, headers: Mapping[str, str] = PAGE) -> Seen:
        async with self.http.request(
            method, URL(self.url + path, encoded=True), data=data, headers=headers, allow_redirects=False
        ) as response:
            return Seen(
                status=response.status,
                headers=dict(response.headers),
                set_cookies=tuple(response.headers.getall("Set-Cookie", ())),
                body=await response.read(),
            )

    async def get(self, path: str, **headers: str) -> Seen:
        return await self.ask("GET", path, headers=PAGE | headers)

    async def post_form(self, path: str, fields: Mapping[str, str], **headers: str) -> Seen:
        return await self.ask("POST", path, data=dict(fields), headers=PAGE | {"Origin": self.url} | headers)

    async def log_in(self, name: str = "alice", *, path: str = "/user/login", **headers: str) -> Seen:
        """Send Drupal's own form."""
        fields = {"name": name, "pass": PASSWORDS[name], "form_id": "user_login_form"}
        return await self.post_form(path, fields, **headers)

    async def change_password(self, uid: str, old: str, new: str | None = None) -> Seen:
        """Change it by REST; to the same one if there is no *new* one: Drupal gives a new session all the same."""
        token = (await self.get("/session/token")).text
        body = json.dumps({"pass": [{"existing": old, "value": new or old}]})
        return await self.ask("PATCH", f"/user/{uid}?_format=json", data=body, headers=JSON | {"X-CSRF-Token": token})

    async def send_code(self, code: str, **more: str) -> Seen:
        """Type *code* on the code page."""
        page = await self.get("/headless/challenge")
        form = LexborHTMLParser(page.text).css_first("form")
        fields = {
            node.attributes["name"]: node.attributes.get("value") or "" for node in form.css("input[type=hidden]")
        }
        return await self.post_form("/headless/challenge", fields | {"otp": code, "action": "verify"} | more)

    async def uid(self) -> str:
        """Who the site takes the browser for; empty for nobody."""
        answer = await self.ask("GET", "/user/edit?_format=json", headers={"Accept": "application/json"})
        return answer.location.split("/user/")[1].split("/")[0] if answer.status == 302 else ""

    def cookie(self, name: str = SESSION_NAME) -> str | None:
        found = [cookie.value for cookie in self.jar if cookie.key == name]
        return found[0] if found else None


@dataclass(frozen=True, kw_only=True)
class GuardedSite:
    world: World
    url: str
    port: int

    @asynccontextmanager
    async def browser(self) -> AsyncGenerator[Browser]:
        opened = Browser(self.url)
        try:
            yield opened
        finally:
            await opened.http.close()


@asynccontextmanager
async def guarded(world: World, *, port: int = 0, **changes: object) -> AsyncGenerator[GuardedSite]:
    """Open a gateway of *world* with the guard on; *changes* are of its configuration."""
    port = port or free_port()
    url = f"http://localhost:{port}"
    base: dict[str, object] = {
        "listen": {"host": "127.0.0.1", "port": port},
        "public_url": url,
        "proxy": {"enabled": True, "max_concurrent": 400},
    }
    async with world.open_gateway(**{**base, **changes}):
        yield GuardedSite(world=world, url=url, port=port)


async def raw(port: int, request: bytes, *, seconds: float = 5) -> bytes:
    """Send bytes and read until the connection is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        async with asyncio.timeout(seconds):
            return await reader.read()
    finally:
        writer.close()
