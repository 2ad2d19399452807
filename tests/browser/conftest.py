"""Debian's Chromium, driven by playwright; nothing is looked up and nothing leaves this machine."""

import shutil

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Playwright, async_playwright

from gateway.demo.stage import stage
from gateway.process import listening
from tests.browser.demo_states import Demo
from tests.world import Clock

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


async def start(playwright: Playwright, *flags: str) -> Browser:
    executable = next(filter(None, map(shutil.which, NAMES)))
    return await playwright.chromium.launch(executable_path=executable, args=[*QUIET, *flags])


@pytest.fixture
async def launch():
    """Start Chromium with more flags; closed at the end."""
    browsers = []
    async with async_playwright() as playwright:

        async def started(*flags: str):
            browsers.append(await start(playwright, *flags))
            return browsers[-1]

        yield started
        for browser in browsers:
            await browser.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser():
    """One Chromium for a whole module, whose tests share its loop: to start one takes longer than most of them."""
    async with async_playwright() as playwright, await start(playwright) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="module")
async def new_page(browser):
    """Open a page in a profile of its own; closed at the end."""
    contexts = []

    async def opened(**options: object):
        contexts.append(await browser.new_context(**options))
        page = await contexts[-1].new_page()
        page.set_default_timeout(10_000)
        return page

    yield opened
    for context in contexts:
        await context.close()


@pytest_asyncio.fixture(loop_scope="module")
async def page(new_page):
    return await new_page()


@pytest_asyncio.fixture(loop_scope="module")
async def demo():
    """The demo, on a free port."""
    clock = Clock()
    async with (
        stage(drupal_url=None, clock=clock) as (opened, mailbox, drupal),
        listening(opened.headless, "127.0.0.1", 0, seconds=2) as port,
    ):
        yield Demo(url=f"http://localhost:{port}", mailbox=mailbox, drupal=drupal, clock=clock)
