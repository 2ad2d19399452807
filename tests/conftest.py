"""What every test may ask for."""

from collections.abc import Generator

import pytest
import structlog
from hypothesis import settings

from tests.redis_server import RedisServer

# Workers share the processors, so how long an example takes says nothing.
settings.register_profile("shared", deadline=None)
settings.load_profile("shared")


@pytest.fixture(autouse=True)
def _events_as_before() -> Generator[None]:
    """A command that is run in this process sends events to its own stream, which is closed afterwards."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.fixture(scope="session")
def _one_redis() -> Generator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def redis_server(_one_redis: RedisServer) -> RedisServer:
    """A real redis-server, empty, and running whatever the test before did to it."""
    if _one_redis.ask("PING") != b"+PONG\r\n":
        _one_redis.restart()
    _one_redis.flush()
    return _one_redis
