"""Sessions whose cookie the gateway received in an answer that was no login: each is ended all the same."""

import pytest

from gateway.demo.faults import Endpoint, Fault, Kind


@pytest.fixture
def store():
    return {"kind": "memory"}


async def test_a_login_answer_that_breaks_off_after_its_cookie_leaves_no_session(world, frontend):
    world.drupal.fault = Fault(kind=Kind.RESET, at=Endpoint.LOGIN)

    answer = await frontend.authenticate()

    assert answer.code in ("drupal_unavailable", "drupal_invalid")
    assert len(world.drupal.ledger.sessions) == 1
    await world.eventually(lambda: not world.drupal.ledger.alive())


async def test_a_login_that_outlives_its_time_leaves_no_session(world):
    world.drupal.fault = Fault(kind=Kind.SLOW, at=Endpoint.LOGIN, seconds=1)
    async with world.open_gateway(drupal={"timeout_seconds": 0.3}) as frontend:
        answer = await frontend.authenticate()

        assert (answer.status, answer.code) == (504, "drupal_timeout")
        await world.eventually(lambda: world.drupal.ledger.sessions and not world.drupal.ledger.alive())
