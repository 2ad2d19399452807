import pytest

from tests.code_page.code_site import Browser, a_code_site
from tests.flows.conftest import (
    _a_quick_reaper,
    _every_error_has_its_event,
    _light_hashes,
    _refusals_at_once,
    drupal_options,
    events,
    store,
    world,
)

__all__ = [
    "_a_quick_reaper",
    "_every_error_has_its_event",
    "_light_hashes",
    "_refusals_at_once",
    "drupal_options",
    "events",
    "store",
    "world",
]


@pytest.fixture
async def site(world):
    async with a_code_site(world) as opened:
        yield opened


@pytest.fixture
async def new_browser():
    opened = []

    def made(site, **options):
        opened.append(Browser(site, **options))
        return opened[-1]

    yield made
    for browser in opened:
        await browser.close()


@pytest.fixture
async def browser(site, new_browser):
    return new_browser(site)
