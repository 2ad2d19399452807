"""What a login costs when nothing is checked: bare aiohttp handlers on uvloop, redis-py, one process.

`python -m tests.bench.floor e …`: step 1 parses JSON, asks Drupal once, writes once and answers; step 2 is one
EVALSHA. No mail. `… floor contacts …` also reads the user's contacts, as a login by mail must. `… floor f …`: the same
with as many questions to Redis, and as many mails, as the gateway makes.
"""

import asyncio
import json
import secrets
import sys

import aiohttp
import uvloop
from aiohttp import web
from redis.asyncio import Redis

TAKE = """
local kept = redis.call('GET', KEYS[1])
if kept then redis.call('DEL', KEYS[1]) end
return kept
"""


class Bare:
    """Floor E."""

    def __init__(self, *, drupal: str, http: aiohttp.ClientSession, redis: Redis, script: str) -> None:
        self.drupal = drupal
        self.http = http
        self.redis = redis
        self.script = script

    async def authenticate(self, request: web.Request) -> web.Response:
        body = await request.json()
        login, cookie = await self.ask_drupal(body)
        id = secrets.token_urlsafe(32)
        await self.redis.set(f"tx:{id}", json.dumps({"login": login, "cookie": cookie, "otp": "000000"}), ex=300)
        return web.json_response(
            {"username": body["username"], "transactionID": id, "authType": "EMAIL", "status": "SUCCESS"}
        )

    async def login(self, request: web.Request) -> web.Response:
        body = await request.json()
        kept = json.loads(await self.redis.evalsha(self.script, 1, f"tx:{body['transactionID']}"))
        answer = {"username": body["username"], "status": "SUCCESS", "session": kept["login"]}
        return web.json_response(answer, headers={"Set-Cookie": kept["cookie"]})

    async def ask_drupal(self, body: dict[str, str]) -> tuple[dict[str, object], str]:
        credentials = {"name": body["username"], "pass": body["password"]}
        async with self.http.post(f"{self.drupal}/user/login?_format=json", json=credentials) as response:
            return await response.json(), response.headers["Set-Cookie"]


class WithContacts(Bare):
    """Floor E and the call without which nobody knows where to send a code."""

    async def authenticate(self, request: web.Request) -> web.Response:
        body = await request.json()
        login, cookie = await self.ask_drupal(body)
        to = await self.ask_contacts(login, cookie)
        id = await self.open(login, cookie, to)
        answer = {"username": body["username"], "transactionID": id, "authType": "EMAIL", "status": "SUCCESS"}
        return web.json_response(answer)

    async def ask_contacts(self, login, cookie: str) -> str:
        uid = login["current_user"]["uid"]
        url = f"{self.drupal}/jsonapi/user/user?filter%5Bdrupal_internal__uid%5D={uid}"
        async with self.http.get(url, headers={"Cookie": cookie.partition(";")[0]}) as response:
            account = json.loads(await response.read())
        return account["data"][0]["attributes"]["mail"]

    async def open(self, login, cookie: str, to: str) -> str:
        id = secrets.token_urlsafe(32)
        kept = json.dumps({"login": login, "cookie": cookie, "otp": "000000", "to": to})
        await self.redis.set(f"tx:{id}", kept, ex=300)
        return id


class Same(WithContacts):
    """Floor F: *trips* to Redis in step 1, in step 2, and beside them."""

    def __init__(self, *, trips: tuple[int, int, int], smtp_port: int, **bare) -> None:
        super().__init__(**bare)
        self.trips = trips
        self.mails = Mails(smtp_port)
        self.beside: set[asyncio.Task[None]] = set()

    async def open(self, login, cookie: str, to: str) -> str:
        id = await super().open(login, cookie, to)
        for _ in range(self.trips[0] - 1):
            await self.redis.get(f"tx:{id}")
        task = asyncio.create_task(self.send(to))
        self.beside.add(task)
        task.add_done_callback(self.beside.discard)
        return id

    async def login(self, request: web.Request) -> web.Response:
        body = await request.json()
        key = f"tx:{body['transactionID']}"
        for _ in range(self.trips[1] - 1):
            await self.redis.get(key)
        kept = json.loads(await self.redis.evalsha(self.script, 1, key))
        answer = {"username": body["username"], "status": "SUCCESS", "session": kept["login"]}
        return web.json_response(answer, headers={"Set-Cookie": kept["cookie"]})

    async def send(self, to: str) -> None:
        for _ in range(self.trips[2]):
            await self.redis.get(to)
        await self.mails.send(to)


class Mails:
    """Ready bytes over four kept connections."""

    TEXT = (
        b"From: Example <no-reply@example.org>\r\nTo: %b\r\nDate: Tue, 24 Nov 2026 04:00:00 +0000\r\n"
        b"Message-ID: <abcdefghijklmnop@example.org>\r\nSubject: Your code\r\n\r\nYour code: 000000\r\n"
        + b"It is valid for five minutes; whoever asks you for it is not us.\r\n" * 40
        + b".\r\n"
    )

    def __init__(self, port: int) -> None:
        self.port = port
        self.idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self.slots = asyncio.Semaphore(4)

    async def send(self, to: str) -> None:
        async with self.slots:
            reader, writer = self.idle.pop() if self.idle else await self.connect()
            for line in (b"MAIL FROM:<no-reply@example.org>\r\n", b"RCPT TO:<%b>\r\n" % to.encode(), b"DATA\r\n"):
                writer.write(line)
                await reader.readline()
            writer.write(self.TEXT % to.encode())
            await reader.readline()
            self.idle.append((reader, writer))

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        await reader.readline()
        writer.write(b"EHLO bench\r\n")
        while (await reader.readline())[3:4] == b"-":
            pass
        return reader, writer


async def serve(kind: str, drupal: str, redis_url: str, *more: str) -> None:
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar()) as http,
        Redis.from_url(redis_url) as redis,
    ):
        bare = {"drupal": drupal, "http": http, "redis": redis, "script": await redis.script_load(TAKE)}
        if kind == "e":
            floor = Bare(**bare)
        elif kind == "contacts":
            floor = WithContacts(**bare)
        else:
            smtp_port, *trips = map(int, more)
            floor = Same(trips=tuple(trips), smtp_port=smtp_port, **bare)
        app = web.Application()
        app.router.add_post("/headless/authenticate", floor.authenticate)
        app.router.add_post("/headless/login", floor.login)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        print(json.dumps({"http": runner.addresses[0][1]}), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(*sys.argv[1:]))
