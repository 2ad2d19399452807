import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from gateway import reaper
from gateway.demo.site import DrupalOptions
from tests.world import a_world


@pytest.fixture(autouse=True)
def _a_quick_reaper(monkeypatch):
    """Who waits for the reaper would wait for its second."""
    monkeypatch.setattr(reaper, "IDLE_SECONDS", 0.02)


@pytest.fixture(params=["memory", "redis"])
def store(request):
    """Every flow runs on every store."""
    if request.param == "memory":
        return {"kind": "memory"}
    server = request.getfixturevalue("redis_server")
    return {"kind": "redis", "url": server.url}


@pytest.fixture
def drupal_options():
    """A stock Drupal 11; a test or class overrides it."""
    return DrupalOptions(reverse_proxy_addresses=("127.0.0.1",))


@pytest.fixture
async def world(store, drupal_options):
    async with a_world(store=store, drupal=drupal_options) as made:
        yield made


@pytest.fixture
async def frontend(world):
    """A frontend in front of one running gateway."""
    async with world.open_gateway() as made:
        yield made


@pytest.fixture
def events():
    """Every event of the gateway, with what is bound to its request."""
    with capture_logs(processors=[merge_contextvars]) as captured:
        yield captured
