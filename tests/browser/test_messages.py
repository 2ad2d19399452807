"""Every message as a person sees it: in a narrow and a wide window, light and dark, in every language."""

import re

import pytest

from gateway.cli.messages import pages, write_preview
from gateway.settings import Settings
from gateway.texts.messages import MESSAGES, SUBJECTS
from tests.browser.contrast import CONTRAST

pytestmark = pytest.mark.browser
# Nothing in it can be broken, as in an account's name that somebody made up.
LONG = "x" * 60
SETTINGS = Settings.model_validate(
    {"texts": {"site": f"Example {LONG}"}, "public_url": f"https://www.{LONG}.example.org", "code": {"digits": 8}}
)
# WCAG 2.2, 1.4.3: text, and text that is large.
ENOUGH = 4.5


@pytest.fixture
def folder(tmp_path):
    write_preview(SETTINGS, tmp_path)
    return tmp_path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1200])
async def test_no_page_scrolls_sideways_and_all_text_can_be_read(launch, folder, width, scheme):
    page = await (await launch()).new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    files = sorted(folder.rglob("*.html"))
    assert len(files) == 1 + 3 * len(SUBJECTS)
    backgrounds = set()

    for path in files:
        await page.goto(path.as_uri())

        assert await page.evaluate("document.documentElement.scrollWidth") <= width, path
        weak = [one for one in await page.evaluate(CONTRAST) if one["ratio"] < ENOUGH]
        assert weak == [], path
        backgrounds.add(await page.evaluate("getComputedStyle(document.body).backgroundColor"))

    assert backgrounds == {"rgb(20, 22, 26)" if scheme == "dark" else "rgb(242, 243, 245)"}


async def test_every_message_can_be_reached_from_the_index(launch, folder):
    page = await (await launch()).new_page()
    await page.goto((folder / "index.html").as_uri())
    shown = list(pages(SETTINGS, now=0))

    assert await page.locator("article").count() == len(shown) == 3 * len(MESSAGES)
    for one in shown:
        if one.text.html:
            await page.locator(f'a[href="{one.name}.html"]').click()
            assert await page.title()
            assert "12345678" in await page.locator("body").inner_text() or one.subject != "code"
            await page.go_back()


async def test_arabic_is_read_from_the_right(launch, folder):
    page = await (await launch()).new_page(viewport={"width": 320, "height": 800})
    await page.goto((folder / "ar" / "code.mail.html").as_uri())

    first = page.locator(".card p").first
    card = await page.locator(".card").bounding_box()
    text = await first.evaluate(
        "node => { const range = document.createRange(); range.selectNodeContents(node);"
        " const last = [...range.getClientRects()].at(-1); return [last.left, last.right]; }"
    )

    assert await first.evaluate("node => getComputedStyle(node).direction") == "rtl"
    # The last line is short: it ends far from the left and begins at the card's padding on the right.
    assert card["x"] + card["width"] - text[1] < 30 < text[0] - card["x"]
    assert re.search(r"^12345678$", await page.locator(".code").inner_text())
