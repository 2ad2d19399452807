"""The demo in a browser, as a newcomer tries it."""

import pytest

from gateway.demo.stage import stage
from gateway.process import listening

pytestmark = pytest.mark.browser
WIDTHS = (320, 1280)


@pytest.fixture
async def demo():
    async with (
        stage(drupal_url=None) as (opened, mailbox, drupal),
        listening(opened.headless, "127.0.0.1", 0, seconds=2) as port,
    ):
        yield f"http://localhost:{port}", mailbox, drupal


async def log_in(page, mailbox, url: str) -> None:
    await page.goto(url)
    await page.get_by_label("Password").fill("alice-pass-1")
    await page.get_by_role("button", name="Continue").click()
    await page.get_by_text("a•••@e••••.test").wait_for()
    for _ in range(100):
        if mailbox.mails:
            break
        await page.wait_for_timeout(50)
    await page.get_by_label("Code").fill(mailbox.mails[0].code)
    await page.get_by_role("button", name="Log in", exact=True).click()
    await page.get_by_role("heading", name="Hello alice").wait_for()


async def test_alice_logs_in_and_out_on_the_page(demo, launch):
    url, mailbox, drupal = demo
    page = await (await launch()).new_page()
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda line: problems.append(line.text) if line.type == "error" else None)

    await log_in(page, mailbox, url)
    async with page.expect_popup() as opened:
        await page.get_by_role("link", name="open your page there").click()
    account = await opened.value

    assert account.url == f"{drupal}/user/2"
    assert await account.get_by_role("heading", name="alice").is_visible()

    await page.get_by_role("button", name="Log out").click()
    await page.get_by_text("You are logged out.").wait_for()
    await account.reload()

    assert not await account.get_by_role("heading", name="alice").is_visible()
    # Drupal answers 403 for the page after the logout.
    assert [problem for problem in problems if "403" not in problem] == []


async def test_a_wrong_code_is_reported_and_the_right_one_still_works(demo, launch):
    url, mailbox, _ = demo
    page = await (await launch()).new_page()
    await page.goto(url)
    await page.get_by_label("Password").fill("alice-pass-1")
    await page.get_by_role("button", name="Continue").click()
    await page.get_by_label("Code").fill("12345")
    await page.get_by_role("button", name="Log in", exact=True).click()

    await page.get_by_text("4 attempts left").wait_for()
    await page.get_by_label("Code").fill(f" {mailbox.mails[0].code[:3]}-{mailbox.mails[0].code[3:]} ")
    await page.get_by_role("button", name="Log in", exact=True).click()

    await page.get_by_role("heading", name="Hello alice").wait_for()


async def test_every_page_fits_a_small_and_a_large_screen(demo, launch):
    url, mailbox, _ = demo
    browser = await launch()
    for width in WIDTHS:
        page = await browser.new_page(viewport={"width": width, "height": 700})
        await log_in(page, mailbox, url)
        for path in ("/", "/mailbox"):
            await page.goto(url + path)
            await page.wait_for_load_state("networkidle")

            assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), (path, width)
