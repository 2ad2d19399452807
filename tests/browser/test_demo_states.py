"""Every state of the demo's pages: narrow and wide, light and dark, in each language."""

import pytest

from tests.browser.contrast import CONTRAST
from tests.browser.demo_states import states, watch

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]
# WCAG 2.2, 1.4.3: text, and text that is large.
ENOUGH = 4.5
# What sticks out of its card, or of the window.
OUTSIDE = """() => [...document.querySelectorAll("main *")].filter((node) => {
    const { left, right, width } = node.getBoundingClientRect();
    const around = (node.closest(".card, li") ?? document.body).getBoundingClientRect();
    return width && (left < around.left - 1 || right > around.right + 1);
}).map((node) => node.outerHTML.slice(0, 80))"""


@pytest.mark.parametrize(
    ("width", "scheme", "language"),
    [(320, "light", "de"), (320, "dark", "ar"), (1280, "light", "ar"), (1280, "dark", "en")],
)
async def test_every_state_can_be_read_and_nothing_scrolls_sideways(demo, new_page, width, scheme, language):
    page = await new_page(viewport={"width": width, "height": 700}, color_scheme=scheme, locale=language)
    problems = watch(page)
    seen = []

    async for state in states(page, demo):
        seen.append(state)
        html = await page.evaluate("[document.documentElement.lang, document.documentElement.dir]")
        assert html == [language, "rtl" if language == "ar" else "ltr"], state
        assert await page.evaluate("document.documentElement.scrollWidth") <= width, state
        assert await page.evaluate(OUTSIDE) == [], state
        assert [text for text in await page.evaluate(CONTRAST) if text["ratio"] < ENOUGH] == [], state

    assert len(seen) == 21
    assert problems == []
