import base64
from contextlib import asynccontextmanager

import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from gateway.app import gateway
from gateway.process import connection_limit, listening
from gateway.settings import Settings
from tests.site.backend import Backend, running
from tests.site.visitor import Site

SEAL_KEY = "k1:" + base64.b64encode(b"s" * 32).decode()


def configuration(backend_url: str, **changes: object) -> dict[str, object]:
    base: dict[str, object] = {
        "listen": {"host": "127.0.0.1", "port": 0},
        "admin": {"host": "127.0.0.1", "port": 0},
        "public_url": "http://www.example.org",
        "trusted_proxies": ["127.0.0.2/32"],
        "keys": [SEAL_KEY],
        "headless": {"clients": [{"id": "web", "api_key": "an-api-key-of-the-web-frontend"}]},
        "drupal": {"url": backend_url},
        # Every visitor of a test has one address, which gets a quarter.
        "proxy": {"enabled": True, "max_concurrent": 400},
        # What the guard changes is in tests/guard.
        "guard": {"mode": "off"},
        "channels": {"email": {"kind": "smtp", "host": "127.0.0.1", "port": 9, "sender": "a@example.org"}},
    }
    for key, value in changes.items():
        known = base.get(key)
        base[key] = {**known, **value} if isinstance(known, dict) and isinstance(value, dict) else value
    return base


@asynccontextmanager
async def a_site(backend_url: str, **changes: object):
    """A gateway in this process, in front of that backend."""
    settings = Settings.model_validate(configuration(backend_url, **changes))
    assert not settings.conflicts(), settings.conflicts()
    async with (
        gateway(settings) as opened,
        listening(opened.headless, "127.0.0.1", 0, seconds=1, connection_limit=connection_limit(settings)) as port,
    ):
        yield Site(port=port)


@pytest.fixture
async def backend():
    async with running(Backend()) as made:
        yield made


@pytest.fixture
async def site(backend):
    async with a_site(backend.url) as made:
        yield made


@pytest.fixture
def events():
    with capture_logs(processors=[merge_contextvars]) as captured:
        yield captured
