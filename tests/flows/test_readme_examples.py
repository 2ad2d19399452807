"""The examples of the README, run by node against a gateway."""

import asyncio
import json
import os
import shutil
import subprocess

import pytest

from tests.unit.test_docs import blocks_of, text_of
from tests.world import KEY, SERVER_KEY

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
IN_THE_BROWSER = """
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
ON_THE_SERVER = """
const { POST } = await import("./route.mjs");
const step = async (name, body, cookie = "") => {
  const headers = { cookie, "x-forwarded-for": "10.9.9.9, 192.0.2.7", "user-agent": "A Browser" };
  const request = new Request(`https://app.example.org/api/session/${name}`, { method: "POST", headers, body: JSON.stringify(body) });
  const response = await POST(request, { params: Promise.resolve({ step: name }) });
  return { status: response.status, body: response.status === 404 ? null : await response.json(), cookie: response.headers.get("set-cookie") };
};
tell(await step("elsewhere", {}));
const opened = await step("authenticate", { username: "alice", password: "alice-pass-1" });
tell(opened);
const { username, transactionID, authType } = opened.body;
const won = await step("login", { username, transactionID, authType, otp: await read() });
tell(won);
tell(await step("logout", {}, won.cookie.split(";")[0]));
process.exit();
"""


def example(name):
    (block,) = [one for one in blocks_of(text_of("README.md"), "js") if one.startswith(f"// {name}")]
    return block


class Node:
    """A script that tells one JSON value a line, and reads lines."""

    def __init__(self, process):
        self._process = process

    @classmethod
    async def start(cls, folder, script, *arguments, **environment):
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
        return cls(process)

    async def told(self):
        line = await asyncio.wait_for(self._process.stdout.readline(), 20)
        assert line, (await self._process.stderr.read()).decode()
        return json.loads(line)

    def say(self, line):
        self._process.stdin.write(f"{line}\n".encode())

    async def end(self):
        assert await asyncio.wait_for(self._process.wait(), 20) == 0


@pytest.fixture
def store():
    return {"kind": "memory"}


needs_node = pytest.mark.skipif(not shutil.which("node"), reason="there is no node to run the examples with")


@needs_node
async def test_the_browser_example_logs_in_and_out(world, tmp_path):
    (tmp_path / "headgate.mjs").write_text(example("headgate.js").replace('"demo"', f'"{KEY}"'))

    async with world.open_gateway():
        node = await Node.start(tmp_path, BROWSER + DRIVER + IN_THE_BROWSER, world.url)
        assert await node.told() == ["credentials", "Unrecognized username or password.", "ask for the password again"]
        assert (await node.told())["authType"] == "EMAIL"
        assert await node.told() == ["wrong_otp", 4, "ask for the code again"]
        node.say(await world.code())
        assert await node.told() == ["alice", 1]
        assert await node.told() == [0]
        await node.end()

    assert [session.is_alive for session in world.drupal.ledger.sessions] == [False]


@needs_node
async def test_the_server_side_example_keeps_the_cookie_and_forwards_the_address(world, tmp_path):
    (tmp_path / "route.mjs").write_text(example("app/api/session/[step]/route.js"))

    async with world.open_gateway():
        node = await Node.start(tmp_path, DRIVER + ON_THE_SERVER, GATEWAY_URL=world.url, GATEWAY_API_KEY=SERVER_KEY)
        assert (await node.told())["status"] == 404
        opened = await node.told()
        assert opened["body"]["status"] == "SUCCESS"
        assert opened["cookie"] is None
        node.say(await world.code())
        won = await node.told()
        assert won["body"]["userprofile"]["name"] == [{"value": "alice"}]
        assert "session" not in won["body"]
        assert won["cookie"].startswith("sid=")
        left = await node.told()
        assert (left["body"]["status"], left["cookie"]) == ("SUCCESS", "sid=; Path=/; Max-Age=0")
        await node.end()

    login = next(call for call in world.drupal.calls if call.path.startswith("/user/login"))
    assert login.headers["X-Forwarded-For"] == "192.0.2.7"
    assert login.headers["User-Agent"] == "A Browser"
    assert [session.is_alive for session in world.drupal.ledger.sessions] == [False]
