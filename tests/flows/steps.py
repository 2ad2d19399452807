"""What several flows do or look at."""

import json
from collections.abc import Iterator
from urllib.parse import unquote

from gateway.demo.drupal.ledger import Ending, Session
from tests.world import Answer, Frontend, World, cookie_pair

ECHOED = ("username", "transactionID", "authType")


def alike(answer: Answer) -> tuple[object, ...]:
    """Everything of an answer that may not differ: status, bytes but the echoed values, header lines."""
    blank = answer.raw
    for key in ECHOED:
        if key in answer.body:
            blank = blank.replace(json.dumps(answer[key], ensure_ascii=False).encode(), b'"\xe2\x80\xa6"', 1)
    skipped = ("X-Request-ID", "Date", "Content-Length")
    return answer.status, blank, [(name, value) for name, value in answer.headers.items() if name not in skipped]


def session_of(world: World, answer: Answer) -> Session:
    """The ledger's row of the session that an answer handed over."""
    [line] = answer.cookies
    found = world.drupal.ledger.by_value(unquote(cookie_pair(line).partition("=")[2]))
    assert found
    return found


def logged_out(world: World) -> int:
    """How many sessions ended by logging out."""
    return len(world.drupal.ledger.ended(Ending.LOGGED_OUT))


async def all_ended(world: World) -> None:
    """Wait until no session is alive, and see that each was logged out."""
    await world.eventually(lambda: not world.drupal.ledger.alive())
    assert {session.how for session in world.drupal.ledger.sessions if session.uid} <= {Ending.LOGGED_OUT}


def addresses() -> Iterator[dict[str, str]]:
    """Headers of one visitor after the other, so that no limit on addresses stands in the way."""
    number = 0
    while True:
        number += 1
        yield {"X-Forwarded-For": f"198.51.{number // 200}.{number % 200 + 1}"}


async def closed_one(frontend: Frontend) -> Answer:
    """The answer of /login about a transaction that never was."""
    return await frontend.post(
        "login",
        {"username": "alice", "transactionID": "x" * 43, "authType": "EMAIL", "otp": "000000", "apiKey": frontend.key},
    )
