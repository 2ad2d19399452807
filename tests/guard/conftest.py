"""A gateway with the guard on, in front of the simulated Drupal, and browsers that keep cookies."""

import pytest

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
from tests.guard.site import guarded

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
    async with guarded(world) as opened:
        yield opened


@pytest.fixture
async def browser(site):
    async with site.browser() as opened:
        yield opened
