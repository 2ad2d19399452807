"""`headgate demo --origin …`, as a frontend with pages of its own calls it."""

import asyncio
import re
import sys
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from aiohttp import web

from gateway.process import listening

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]
POST = """(url) => fetch(url, {
    method: "POST", headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ apiKey: "demo", username: "alice", password: "alice-pass-1" }),
}).then((response) => response.json()).then(({ status }) => status, (error) => error.name)"""


@pytest_asyncio.fixture(loop_scope="module")
async def frontend():
    """Pages elsewhere, under two names of this machine; yields their port."""

    async def index(_request: web.Request) -> web.Response:
        return web.Response(text="<title>a frontend</title>", content_type="text/html")

    app = web.Application()
    app.router.add_get("/", index)
    async with listening(app, "127.0.0.1", 0, seconds=1) as port:
        yield port


@asynccontextmanager
async def headgate_demo(*arguments: str):
    """Run the command on a free port and yield the address that it names."""
    command = (sys.executable, "-m", "gateway", "demo", "--port", "0", *arguments)
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(30):
            said = [(await process.stdout.readline()).decode() for _ in range(7)]
        yield re.search(r"http://localhost:\d+", "".join(said))[0]
    finally:
        process.terminate()
        await process.wait()


async def test_the_page_of_a_frontend_that_was_named_may_call_the_api_and_no_other(page, frontend):
    named, other = f"http://app.localhost:{frontend}", f"http://other.localhost:{frontend}"
    answers = {}
    async with headgate_demo("--origin", named) as url:
        for origin in (named, other):
            await page.goto(origin)
            answers[origin] = await page.evaluate(POST, f"{url}/headless/authenticate")

    assert answers == {named: "SUCCESS", other: "TypeError"}
