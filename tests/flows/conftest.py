import asyncio
import json
import os
import sys
import threading
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from gateway.demo.drupal.site import DrupalOptions
from gateway.factors import recovery
from gateway.login import reaper, refusal_timing
from gateway.web.http.endpoint_events import EndpointEvents
from tests.world import Frontend, World, a_world


@pytest.fixture(autouse=True)
def _a_quick_reaper(monkeypatch):
    """Who waits for the reaper would wait for its second."""
    monkeypatch.setattr(reaper, "IDLE_SECONDS", 0.02)


@pytest.fixture(autouse=True)
def _light_hashes(monkeypatch):
    """Whoever enrols waits for ten hashes; what they weigh is measured where it matters."""
    monkeypatch.setattr(recovery, "KIBIBYTES", 64)


@pytest.fixture(autouse=True)
def _refusals_at_once(monkeypatch):
    """That all refusals take the same time is the subject of test_alike, which overrides this."""
    monkeypatch.setattr(refusal_timing, "LEAST_SECONDS", 0.01)
    monkeypatch.setattr(refusal_timing, "CAUTIOUS_SECONDS", 0.01)


@pytest.fixture(autouse=True)
def _every_error_has_its_event(monkeypatch):
    """Whatever a flow provokes: the endpoint's table names the error, by the error's own word."""
    unnamed = []
    refusal = EndpointEvents.refusal

    def checked(events, error):
        name = refusal(events, error)
        if name is None or name.partition(".")[2] != error.word:
            unnamed.append((events.ok, error))
        return name

    monkeypatch.setattr(EndpointEvents, "refusal", checked)
    yield
    assert unnamed == []


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
def headgate(world, tmp_path):
    """Run a command of the product on this world's store; returns its exit status and what it wrote."""

    async def run(*command, **changes):
        path = tmp_path / "gateway.yaml"
        path.write_text(json.dumps(world.configuration(**changes)))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", *command, "--config", str(path)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={"PATH": os.environ["PATH"]},
        )
        written, _ = await asyncio.wait_for(process.communicate(), 20)
        return process.returncode, " ".join(written.decode().split())

    return run


@pytest.fixture
def events():
    """Every event of the gateway, with what is bound to its request."""
    with capture_logs(processors=[merge_contextvars]) as captured:
        yield captured


@dataclass(kw_only=True)
class Served:
    """One gateway for many tests, in a thread of its own, so that tests that are not coroutines can ask it."""

    world: World
    frontend: Frontend
    loop: asyncio.AbstractEventLoop

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    @property
    def drupal_calls(self) -> int:
        return len(self.world.drupal.calls)


@pytest.fixture(scope="session")
def served():
    started: dict[str, Served] = {}
    ready, done = threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with (
            a_world(store={"kind": "memory"}, drupal=DrupalOptions(reverse_proxy_addresses=("127.0.0.1",))) as world,
            world.open_gateway() as frontend,
        ):
            started["it"] = Served(world=world, frontend=frontend, loop=asyncio.get_running_loop())
            ready.set()
            await done.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert ready.wait(10)
    yield started["it"]
    started["it"].loop.call_soon_threadsafe(done.set)
    thread.join(20)
