"""README's two frontends, run by node as they stand there, in front of a real gateway."""

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import structlog.testing

from tests.http_peer import http_peer, nobody
from tests.unit.test_docs import blocks_of, text_of
from tests.world import KEY, SERVER_KEY, a_world

pytestmark = pytest.mark.skipif(not shutil.which("node"), reason="there is no node to run the examples with")


def example(name):
    (block,) = [one for one in blocks_of(text_of("README.md"), "js") if one.startswith(f"// {name}")]
    return block


class Node:
    """A script that writes one JSON value a line, and reads lines."""

    def __init__(self, process):
        self._process = process

    @classmethod
    @asynccontextmanager
    async def start(cls, folder, script, *arguments, **environment) -> AsyncGenerator["Node"]:
        (folder / "main.mjs").write_text(script)
        process = await asyncio.create_subprocess_exec(
            "node",
            folder / "main.mjs",
            *arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"PATH": os.environ["PATH"]} | environment,
        )
        node = cls(process)
        try:
            yield node
            process.stdin.close()
            assert await asyncio.wait_for(process.wait(), 20) == 0, await node.errors()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def told(self):
        line = await asyncio.wait_for(self._process.stdout.readline(), 20)
        assert line, await self.errors()
        return json.loads(line)

    async def errors(self):
        return (await self._process.stderr.read()).decode()

    async def errors_line(self):
        return (await asyncio.wait_for(self._process.stderr.readline(), 20)).decode().strip()

    def say(self, line):
        self._process.stdin.write(f"{line}\n".encode())


@pytest.fixture
def events():
    with structlog.testing.capture_logs() as captured:
        yield captured


@pytest.fixture
async def world(events):
    async with a_world(store={"kind": "memory"}) as made:
        yield made


# --- In the browser --------------------------------------------------------------------------------------------------

# A browser keeps cookies and knows what its own host is; node does neither.
BROWSER = """
const base = process.argv[2], jar = new Map(), real = globalThis.fetch;
globalThis.fetch = async (url, options = {}) => {
  const headers = { ...options.headers };
  if (options.credentials === "include" && jar.size) headers.Cookie = [...jar].map((pair) => pair.join("=")).join("; ");
  const response = await real(new URL(url, base), { ...options, headers });
  for (const line of response.headers.getSetCookie()) {
    const [name, value] = line.split(";")[0].split("=");
    line.includes("Max-Age=0") ? jar.delete(name) : jar.set(name, value);
  }
  return response;
};
"""
DRIVER = """
import { createInterface } from "node:readline";
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const read = async () => (await lines.next()).value;
const tell = (value) => console.log(JSON.stringify(value));
"""
LOGS_IN_AND_OUT = """
const { authenticate, login, logout, nextStep } = await import("./headgate.mjs");
const refused = await authenticate("alice", "wrong").catch((error) => error);
tell([refused.code, refused.message, nextStep(refused)]);
const opened = await authenticate("alice", "alice-pass-1");
tell(opened);
const mistyped = await login(opened, "000").catch((error) => error);
tell([mistyped.code, mistyped.attemptsLeft, nextStep(mistyped)]);
const won = await login(opened, await read());
tell([won.userprofile.name[0].value, jar.size]);
await logout(won);
tell([jar.size]);
process.exit();
"""
ASKS_ONCE = """
const { authenticate, nextStep } = await import("./headgate.mjs");
const error = await authenticate("alice", "alice-pass-1").catch((error) => error);
tell([error instanceof Error, error.status, error.code, error.message, nextStep(error)]);
process.exit();
"""
SORRY = "Logging in is not possible right now. Please try again in a moment."


@pytest.fixture
def page(tmp_path):
    (tmp_path / "headgate.mjs").write_text(example("headgate.js").replace('"demo"', f'"{KEY}"'))
    return tmp_path


async def test_the_browser_example_logs_in_and_out(world, page):
    async with world.open_gateway(), Node.start(page, BROWSER + DRIVER + LOGS_IN_AND_OUT, world.url) as node:
        assert await node.told() == ["credentials", "Unrecognized username or password.", "ask for the password again"]
        assert (await node.told())["authType"] == "EMAIL"
        assert await node.told() == ["wrong_otp", 4, "ask for the code again"]
        node.say(await world.code())
        assert await node.told() == ["alice", 1]
        assert await node.told() == [0]

    assert [session.is_alive for session in world.drupal.ledger.sessions] == [False]


async def test_a_page_can_show_that_the_gateway_is_away(page):
    async with Node.start(page, BROWSER + DRIVER + ASKS_ONCE, nobody()) as node:
        assert await node.told() == [True, "ERROR", "gateway_unavailable", SORRY, "wait 5 s"]


@pytest.mark.parametrize("answer", ["<h1>502 Bad Gateway</h1>", '{"error": "no upstream"}', "null", ""])
async def test_a_page_can_show_that_something_else_answered(page, answer):
    async with http_peer() as proxy, Node.start(page, BROWSER + DRIVER + ASKS_ONCE, proxy.url) as node:
        proxy.status, proxy.answer = 502, answer
        shown = await node.told()

    assert shown[:4] == [True, "ERROR", "gateway_unavailable", SORRY]


# --- On the server ---------------------------------------------------------------------------------------------------

OWN_ORIGIN = "https://app.example.org"
# What Next.js does: call the handler with a request. Each line is one; the process ends if the handler throws.
NEXT = """
import { createInterface } from "node:readline";
const { POST } = await import("./route.mjs");
for await (const line of createInterface({ input: process.stdin })) {
  const { step, headers, body } = JSON.parse(line);
  const request = new Request(`http://localhost:3000/api/session/${step}`, { method: "POST", headers, body });
  const response = await POST(request, { params: Promise.resolve({ step }) });
  const told = { status: response.status, headers: Object.fromEntries(response.headers), text: await response.text() };
  console.log(JSON.stringify(told));
}
"""
SENT_BY_OWN_PAGE = {
    "content-type": "application/json",
    "origin": OWN_ORIGIN,
    "x-forwarded-for": "10.9.9.9, 192.0.2.7",
    "user-agent": "A Browser",
}
ALICE = {"username": "alice", "password": "alice-pass-1"}


class Route:
    """The route handler, asked as a browser asks it."""

    def __init__(self, node):
        self.node = node

    async def post(self, step, body, **headers):
        """Send *body* as a page of the frontend would; *headers* replace what it sends, None leaves one out."""
        sent = SENT_BY_OWN_PAGE | {name.replace("_", "-"): value for name, value in headers.items()}
        text = body if isinstance(body, str) else json.dumps(body)
        kept = {name: value for name, value in sent.items() if value is not None}
        self.node.say(json.dumps({"step": step, "headers": kept, "body": text}))
        told = await self.node.told()
        return told["status"], json.loads(told["text"]), told["headers"]


@pytest.fixture
def route(tmp_path):
    @asynccontextmanager
    async def start(gateway, *, waits="45_000", origin=OWN_ORIGIN):
        code = example("app/api/session/[step]/route.js")
        (tmp_path / "route.mjs").write_text(code.replace("45_000", waits))
        environment = {"GATEWAY_URL": gateway, "GATEWAY_API_KEY": SERVER_KEY} | (
            {"OWN_ORIGIN": origin} if origin else {}
        )
        async with Node.start(tmp_path, NEXT, **environment) as node:
            yield Route(node)

    return start


async def test_the_server_side_example_logs_in_and_out_and_forwards_the_address(world, route):
    async with world.open_gateway(), route(world.url) as frontend:
        status, opened, headers = await frontend.post("authenticate", ALICE)
        assert (status, opened["status"]) == (200, "SUCCESS")
        assert "set-cookie" not in headers
        asked = {name: opened[name] for name in ("username", "transactionID", "authType")}

        status, won, headers = await frontend.post("login", asked | {"otp": await world.code()})
        assert (status, won["userprofile"]["name"]) == (200, [{"value": "alice"}])
        assert "session" not in won
        cookie = headers["set-cookie"]
        assert cookie.startswith("__Host-sid=")
        assert {"Path=/", "HttpOnly", "Secure", "SameSite=Lax"} <= set(cookie.split("; "))
        assert len(world.drupal.ledger.alive()) == 1

        status, left, headers = await frontend.post("logout", {}, cookie=cookie.partition(";")[0])
        assert (status, left["status"]) == (200, "SUCCESS")
        assert headers["set-cookie"] == "__Host-sid=; Path=/; Secure; Max-Age=0"

    login = next(call for call in world.drupal.calls if call.path.startswith("/user/login"))
    assert login.headers["X-Forwarded-For"] == "192.0.2.7"
    assert login.headers["User-Agent"] == "A Browser"
    assert [session.is_alive for session in world.drupal.ledger.sessions] == [False]


async def test_the_server_side_example_passes_refusals_on(world, route):
    async with world.open_gateway(), route(world.url) as frontend:
        refused = [await frontend.post("authenticate", ALICE | {"password": "wrong"}) for _ in range(5)]

    assert [(status, body["code"]) for status, body, _ in refused] == [(401, "credentials")] * 4 + [(429, "flood")]
    assert int(refused[4][2]["retry-after"]) > 0


FOREIGN = ["https://evil.test", "https://evil.example.org", "http://app.example.org", "null", "undefined", None]
NO_JSON = ["text/plain", "text/plain;application/json", "application/x-www-form-urlencoded", "application/jsonp", None]


@pytest.mark.parametrize("step", ["authenticate", "login", "logout"])
async def test_nothing_that_another_site_can_send_reaches_the_gateway(world, route, events, step):
    body = ALICE | {"transactionID": "x", "authType": "EMAIL", "otp": "123456"}
    async with world.open_gateway(), route(world.url) as frontend:
        foreign = [await frontend.post(step, body, origin=origin) for origin in FOREIGN]
        no_json = [await frontend.post(step, body, content_type=content_type) for content_type in NO_JSON]
        by_form = await frontend.post(step, body, content_type="text/plain", origin="https://evil.test")

    assert {(status, told["status"], told["code"]) for status, told, _ in foreign} == {(403, "ERROR", "origin")}
    assert {(status, told["status"], told["code"]) for status, told, _ in no_json} == {(415, "ERROR", "media_type")}
    assert by_form[0] == 415
    # The gateway logs the outcome of every request.
    assert [event for event in events if event["event"].startswith(f"{step}.")] == []
    assert world.drupal.calls == []


async def test_without_its_own_origin_the_example_refuses_everybody(route):
    async with http_peer() as gateway, route(gateway.url, origin=None) as frontend:
        answers = [await frontend.post("authenticate", ALICE, origin=one) for one in (OWN_ORIGIN, "undefined", None)]

    assert {status for status, _, _ in answers} == {403}
    assert gateway.posts == []


@pytest.mark.parametrize("content_type", ["application/json;charset=utf-8", "Application/JSON ; charset=utf-8"])
async def test_json_may_name_its_charset(world, route, content_type):
    async with world.open_gateway(), route(world.url) as frontend:
        status, _, _ = await frontend.post("authenticate", ALICE, content_type=content_type)

    assert status == 200


@pytest.mark.parametrize("step", ["elsewhere", "constructor", "__proto__", "totp"])
async def test_only_the_three_steps_reach_the_gateway(route, step):
    async with http_peer() as gateway, route(gateway.url) as frontend:
        status, body, _ = await frontend.post(step, {})

    assert (status, body["code"], gateway.posts) == (404, "not_found", [])


@pytest.mark.parametrize("body", ["", "null", "{", "username=alice"])
async def test_what_is_no_json_is_refused(route, body):
    async with http_peer() as gateway, route(gateway.url) as frontend:
        status, told, _ = await frontend.post("authenticate", body)

    assert (status, told["code"], gateway.posts) == (400, "malformed", [])


def assert_away(answer):
    status, body, headers = answer
    assert (status, headers["retry-after"], headers["cache-control"]) == (503, "5", "no-store")
    assert body == {"status": "ERROR", "message": SORRY, "code": "gateway_unavailable"}


@pytest.mark.parametrize("step", ["authenticate", "login", "logout"])
async def test_a_gateway_that_is_away_is_503_and_its_name_stays_inside(route, step):
    async with route(nobody()) as frontend:
        assert_away(await frontend.post(step, ALICE))
        assert_away(await frontend.post(step, ALICE))
        assert await frontend.node.errors_line() == "headgate: TypeError ECONNREFUSED"


@pytest.mark.parametrize(
    ("status", "answer", "headers"),
    [
        (502, "<h1>502 Bad Gateway</h1>", {}),
        (502, '{"error": "no upstream"}', {}),
        (200, '{"status": "SUCCESS"}', {}),
        (200, "null", {"X-Answered-By": "headgate"}),
        (200, '{"status": "SUCC', {"X-Answered-By": "headgate"}),
        (200, '{"session": {}}', {"X-Answered-By": "headgate"}),
    ],
)
async def test_what_the_gateway_did_not_answer_is_503(route, status, answer, headers):
    async with http_peer() as proxy, route(proxy.url) as frontend:
        proxy.status, proxy.answer, proxy.headers = status, answer, headers

        assert_away(await frontend.post("authenticate", ALICE))


@pytest.mark.parametrize("fault", ["drops", "silent"])
async def test_a_gateway_that_never_answers_is_503(route, fault):
    async with http_peer() as gateway, route(gateway.url, waits="300") as frontend:
        setattr(gateway, fault, True)

        assert_away(await frontend.post("authenticate", ALICE))


async def test_a_logout_that_did_not_reach_the_gateway_can_be_repeated(world, route):
    async with world.open_gateway() as gateway, http_peer() as proxy, route(proxy.url) as frontend:
        opened = await gateway.authenticate()
        won = await gateway.login(opened, await world.code())
        proxy.status, proxy.answer = 200, won.raw.decode()
        proxy.headers = {"X-Answered-By": "headgate", "Set-Cookie": won.cookies[0]}
        _, _, headers = await frontend.post("login", {})
        cookie = headers["set-cookie"].partition(";")[0]
        proxy.status, proxy.answer, proxy.headers = 502, "", {}
        away = await frontend.post("logout", {}, cookie=cookie)
        await frontend.post("logout", {}, cookie=cookie)

    assert_away(away)
    assert "set-cookie" not in away[2]
    assert [post.headers.get("cookie") for post in proxy.posts[1:]] == [won.cookies[0].partition(";")[0]] * 2
