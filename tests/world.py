"""A whole world for a test: a simulated Drupal, a mailbox, a store and gateways between them, all on real sockets.

Gateways run in this process (`open_gateway`) or in their own (`start_gateway`), on any number of ports and over one
store, as replicas do.
"""

import asyncio
import base64
import hashlib
import json
import os
import re
import signal
import sys
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from gateway.app import Gateway, gateway
from gateway.configuration import load
from gateway.demo.drupal.server import SimulatedDrupal, running
from gateway.demo.drupal.site import DrupalOptions
from gateway.process import connection_limit, listening
from gateway.settings import Settings
from gateway.telemetry import log_setup
from tests.ports import free_port
from tests.smtp_server import Mail, Mailbox

KEY = "an-api-key-of-the-web-frontend"
OTHER_KEY = "an-api-key-of-another-frontend"
SERVER_KEY = "an-api-key-of-a-server-side-frontend"
SEAL_KEY = "k1:" + base64.b64encode(b"s" * 32).decode()
INDEX_KEY = base64.b64encode(b"i" * 32).decode()
CODE = re.compile(r"\b\d{6,8}\b")
# Drupal's name for its session cookie at http://localhost, where every simulated one listens.
SESSION_NAME = "SESS" + hashlib.sha256(b"localhost").hexdigest()[:32]
MADE_UP_COOKIE = f"{SESSION_NAME}=made-up"
PASSWORDS = {"alice": "alice-pass-1", "bob": "bob-pass-1", "dave": "dave-pass-1", "admin": "admin-pass-1"}


class Clock:
    """The time, and as much later as a test wants it."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@dataclass(frozen=True, kw_only=True)
class Answer:
    status: int
    body: Any
    raw: bytes = field(repr=False)
    headers: Mapping[str, str]
    cookies: list[str]

    @property
    def code(self) -> str | None:
        return self.body.get("code")

    def __getitem__(self, key: str) -> Any:
        return self.body[key]


class Frontend:
    """A frontend as people write them: it posts JSON and keeps no cookies."""

    def __init__(self, url: str, *, key: str = KEY, headers: Mapping[str, str] | None = None) -> None:
        self.url = url
        self.key = key
        self.headers = dict(headers or {})
        self._http = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), connector=aiohttp.TCPConnector(limit=0))

    async def close(self) -> None:
        await self._http.close()

    async def post(
        self, endpoint: str, body: Mapping[str, object], *, headers: Mapping[str, str] | None = None
    ) -> Answer:
        async with self._http.post(
            f"{self.url}/headless/{endpoint}", json=body, headers={**self.headers, **(headers or {})}
        ) as response:
            raw = await response.read()
            assert response.headers["X-Answered-By"] == "headgate"
            return Answer(
                status=response.status,
                body=json.loads(raw) if raw else None,
                raw=raw,
                headers=response.headers,
                cookies=response.headers.getall("Set-Cookie", []),
            )

    async def authenticate(self, username: str = "alice", password: str | None = None, **more: object) -> Answer:
        body = {"username": username, "password": password or PASSWORDS.get(username, ""), "apiKey": self.key}
        return await self.post("authenticate", body | more)

    async def login(self, opened: Answer, otp: str, **more: object) -> Answer:
        return await self.post(
            "login", pending(opened) | {"authType": opened["authType"], "otp": otp, "apiKey": self.key} | more
        )

    async def resend(self, opened: Answer, **more: object) -> Answer:
        return await self.post("resend", pending(opened) | {"authType": opened["authType"], "apiKey": self.key} | more)

    async def status(self, opened: Answer, **more: object) -> Answer:
        return await self.post("status", pending(opened) | {"apiKey": self.key} | more)

    async def cancel(self, opened: Answer, **more: object) -> Answer:
        return await self.post("cancel", pending(opened) | {"apiKey": self.key} | more)

    async def logout(self, cookie: str, logout_token: str | None) -> Answer:
        token = {} if logout_token is None else {"logout_token": logout_token}
        return await self.post("logout", {"apiKey": self.key, **token}, headers={"Cookie": cookie})


def pending(opened: Answer) -> dict[str, object]:
    return {"username": opened["username"], "transactionID": opened["transactionID"]}


def wrong(code: str) -> str:
    """Another code of the same length."""
    return f"{(int(code) + 1) % 10 ** len(code):0{len(code)}}"


def code_in(mail: Mail) -> str:
    match = CODE.search(mail.plain)
    assert match, "a mail without a code"
    return match[0]


def cookie_pair(set_cookie: str) -> str:
    return set_cookie.partition(";")[0]


@dataclass(kw_only=True)
class World:
    drupal: SimulatedDrupal
    drupal_url: str
    mailbox: Mailbox
    clock: Clock
    store: dict[str, object]
    settings: dict[str, object] = field(default_factory=dict)
    url: str = ""
    admin_url: str = ""
    frontend: Frontend = None  # type: ignore[assignment]
    frontends: list[Frontend] = field(default_factory=list)
    opened: list[Gateway] = field(default_factory=list)

    def configuration(self, **changes: object) -> dict[str, object]:
        """What a gateway of this world is configured with; *changes* replace whole top-level keys."""
        base: dict[str, object] = {
            "listen": {"host": "127.0.0.1", "port": 0},
            "admin": {"host": "127.0.0.1", "port": 0},
            "keys": [SEAL_KEY],
            "index_key": INDEX_KEY,
            "trusted_proxies": ["127.0.0.0/8"],
            "headless": {
                "clients": [
                    {"id": "web", "api_key": KEY, "origins": ["https://app.example.org"]},
                    {"id": "other", "api_key": OTHER_KEY},
                    {"id": "next", "kind": "server", "api_key": SERVER_KEY},
                ]
            },
            # A quarter of Drupal's slots is one address's, and nearly every test has only one.
            "drupal": {"url": self.drupal_url, "phone_field": "field_phone", "max_concurrent": 400},
            "store": self.store,
            "channels": {
                "email": {
                    "kind": "smtp",
                    "host": "127.0.0.1",
                    "port": self.mailbox.port,
                    "sender": "Example <no-reply@example.org>",
                }
            },
            "code": {"resend_wait_seconds": 0},
            # Every test logs in as the same few people.
            "flood": {"mail": {"most": 100_000, "seconds": 86_400}},
        }
        for key, value in (self.settings | changes).items():
            known = base.get(key)
            base[key] = {**known, **value} if isinstance(known, dict) and isinstance(value, dict) else value
        return base

    @asynccontextmanager
    async def open_gateway(self, **changes: object) -> AsyncGenerator["Frontend"]:
        """One gateway in this process; yields a frontend that knows it."""
        settings = Settings.model_validate(self.configuration(**changes))
        assert not settings.conflicts(), settings.conflicts()
        patience = min(settings.shutdown_seconds, 5)
        async with (
            gateway(settings, clock=self.clock) as opened,
            listening(
                opened.headless,
                "127.0.0.1",
                settings.listen.port,
                seconds=patience,
                connection_limit=connection_limit(settings),
            ) as port,
            listening(opened.admin, "127.0.0.1", 0, seconds=1) as admin_port,
        ):
            self.url, self.admin_url = f"http://localhost:{port}", f"http://localhost:{admin_port}"
            self.opened.append(opened)
            yield self.visit(self.url)

    def visit(self, url: str, *, key: str = KEY, headers: Mapping[str, str] | None = None) -> Frontend:
        """Another frontend of the gateway at *url*; closed with the world."""
        frontend = Frontend(url, key=key, headers=headers)
        self.frontends.append(frontend)
        return frontend

    async def code(self, number: int = 1) -> str:
        """The code in the mail of that number."""
        return code_in(await self.mailbox.mail(number))

    async def answers_handed_over(self) -> None:
        """Wait for the work that follows an answer: until then, the reaper may end a session that is being handed over.

        A test that moves the clock by more than `DELIVERING_SECONDS` after a login needs this.
        """
        await self.eventually(lambda: not any(opened.running.tasks for opened in self.opened))

    async def eventually(self, check, *, seconds: float = 10) -> None:
        """Wait until *check()* holds."""
        async with asyncio.timeout(seconds):
            while not check():
                await asyncio.sleep(0.02)


@asynccontextmanager
async def a_world(
    *, store: dict[str, object], drupal: DrupalOptions | None = None, **settings: object
) -> AsyncGenerator[World]:
    """Everything but a gateway."""
    simulated = SimulatedDrupal(drupal or DrupalOptions())
    async with Mailbox.open() as mailbox, running(simulated) as drupal_url:
        world = World(
            drupal=simulated, drupal_url=drupal_url, mailbox=mailbox, clock=Clock(), store=store, settings=settings
        )
        try:
            yield world
        finally:
            for frontend in world.frontends:
                await frontend.close()


class Process:
    """A gateway in its own process: `headgate serve`, killed and stopped at will. Its log is in *log*."""

    def __init__(self, process: asyncio.subprocess.Process, *, url: str, admin_url: str) -> None:
        self.process = process
        self.url = url
        self.admin_url = admin_url
        self.log: list[str] = []
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stderr
        async for line in self.process.stderr:
            self.log.append(line.decode())

    async def kill(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        await self._reader

    async def stop(self) -> int:
        """SIGTERM; return the exit status."""
        self.process.send_signal(signal.SIGTERM)
        status = await asyncio.wait_for(self.process.wait(), 40)
        await self._reader
        return status

    def events(self, name: str) -> list[dict[str, object]]:
        # A killed process may leave half a line.
        found = [json.loads(line) for line in self.log if line.startswith("{") and line.endswith("}\n")]
        return [event for event in found if event["event"] == name]


@asynccontextmanager
async def start_gateway(world: World, tmp_path, **changes: object) -> AsyncGenerator[Process]:
    """`headgate serve` in a process of its own, killed at the end if it still runs."""
    port, admin_port = free_port(), free_port()
    configuration = world.configuration(
        listen={"host": "127.0.0.1", "port": port}, admin={"host": "127.0.0.1", "port": admin_port}, **changes
    )
    path = tmp_path / f"gateway-{port}.yaml"
    path.write_text(json.dumps(configuration))
    load(path, {})
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gateway",
        "serve",
        "--config",
        str(path),
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": os.environ["PATH"]},
    )
    gateway_process = Process(process, url=f"http://localhost:{port}", admin_url=f"http://localhost:{admin_port}")
    try:
        await until_listening(port, gateway_process)
        yield gateway_process
    finally:
        await gateway_process.kill()


async def until_listening(port: int, process: Process) -> None:
    async with asyncio.timeout(15):
        while True:
            assert process.process.returncode is None, process.log
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return


def quiet() -> None:
    """Events to nowhere but a test's own capture."""
    log_setup.configure(format="json", stream=open(os.devnull, "w"))  # noqa: PTH123, SIM115
