"""Debian's Chromium, driven by playwright; nothing is looked up and nothing leaves this machine."""

import shutil

import pytest
from playwright.async_api import async_playwright

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


@pytest.fixture
async def launch():
    """Start Chromium with more flags; closed at the end."""
    executable = next(filter(None, map(shutil.which, NAMES)))
    browsers = []
    async with async_playwright() as playwright:

        async def start(*flags: str):
            browser = await playwright.chromium.launch(executable_path=executable, args=[*QUIET, *flags])
            browsers.append(browser)
            return browser

        yield start
        for browser in browsers:
            await browser.close()
