"""The ledger reconciles: every session that Drupal opened was handed over, waits for its code, or was ended (promise 3).

Visitors do whatever people and networks do, over two processes of which one is killed again and again. The one
exception has a name: a login that was in flight at Drupal when its process was killed. Every login that was opened has
its mail or the word that there is none (promise 8), all its mails have one code (9), and Redis shows nobody (5).
"""

import asyncio
import json
import random
import time
from collections import Counter
from dataclasses import dataclass, field

import pytest
from structlog.testing import capture_logs

from gateway.demo.drupal.accounts import User, example_users
from gateway.demo.drupal.ledger import Session
from gateway.demo.drupal.site import DrupalOptions, Times
from gateway.transaction import transaction_key
from tests.chaos.accounts import code_for, codes_for, crowd
from tests.chaos.conftest import CROWD
from tests.chaos.forms import form
from tests.chaos.peers import Reply, Request, opening, typing
from tests.chaos.test_secrets import leaks
from tests.world import KEY, pending, wrong

pytestmark = pytest.mark.chaos

LIFETIME_SECONDS = 3
VISITORS = 8
KILLS = form(short=3, long=50)
# So that there are visitors to the last kill.
PAUSE_SECONDS = form(short=0, long=0.3)
# Between a kill and what Drupal notes of it lies the loop that both share with eight visitors.
SLACK_SECONDS = 0.3
LOGIN_SECONDS = 0.02


@pytest.fixture
def drupal_options():
    return DrupalOptions(
        reverse_proxy_addresses=("127.0.0.1",),
        users=(*example_users(), *(crowd(number) for number in range(CROWD))),
        times=Times(right=LOGIN_SECONDS, wrong=LOGIN_SECONDS),
    )


@dataclass(kw_only=True, eq=False)
class Visit:
    """One account's only login, and what its client saw of it."""

    user: User
    opened_by: object = None
    opened_at: float = 0.0
    opened: Reply | None = None
    handed_by: object = None
    handed_at: float = 0.0
    is_handed: bool = False
    # The client left, and by then something of the answer had come.
    is_seen: bool = False


@dataclass(kw_only=True)
class Fleet:
    """Two processes, and when each of the dead ones died."""

    start: object
    alive: list = field(default_factory=list)
    died: dict[object, float] = field(default_factory=dict)

    async def kill_one(self, rng: random.Random) -> None:
        process = self.alive.pop(rng.randrange(len(self.alive)))
        self.died[process] = time.time()
        await process.kill()
        self.alive += await self.start({"code": CODE})

    def given_up(self) -> set[object]:
        """The transactions of which a process has said that their message goes to nobody."""
        lines = (line for process in (*self.died, *self.alive) for line in process.log if "courier." in line)
        # A killed process may leave half a line.
        events = [json.loads(line) for line in lines if line.endswith("}\n")]
        return {event["transaction"] for event in events if event["event"] in GIVEN_UP}


# The last words of a courier about what it could not send.
GIVEN_UP = ("courier.too_late", "courier.failed", "courier.poison")
# Of so many visitors the dump is searched for everything that is theirs.
SEARCHED = 40
CODE = {"lifetime_seconds": LIFETIME_SECONDS, "resend_wait_seconds": 0}


class Visitor:
    """Logs in once, in a way that *rng* chooses."""

    def __init__(self, world, fleet: Fleet, rng: random.Random, done: Counter) -> None:
        self.world, self.fleet, self.rng, self.done = world, fleet, rng, done

    async def visit(self, visit: Visit) -> None:
        try:
            await self._authenticate(visit)
            if visit.opened is not None and visit.opened.status == 200:
                await self._proceed(visit)
        except (OSError, EOFError):
            # The process was killed under this request; whoever it was does not come back.
            self.done["cut by a kill"] += 1

    async def _authenticate(self, visit: Visit) -> None:
        password = visit.user.password if self.rng.random() < 0.9 else "no-such-pass"
        visit.opened_by, visit.opened_at = self.rng.choice(self.fleet.alive), time.time()
        # Each from an address of its own, or a few wrong passwords would have all the others refused.
        headers = {"X-Forwarded-For": f"198.18.{visit.user.uid // 256}.{visit.user.uid % 256}"}
        request = Request(visit.opened_by.url, "authenticate", opening(visit.user.name, password), headers=headers)
        visit.opened = await self._ask(request, "authenticate")

    async def _proceed(self, visit: Visit) -> None:
        what = self.rng.choice(["right", "right", "right", "wrong", "locked", "cancel", "resend", "expire"])
        self.done[what] += 1
        opened = visit.opened.body
        if what == "cancel":
            await self._other("cancel", opened)
        elif what == "resend":
            await self._other("resend", opened)
        if what in ("cancel", "expire"):
            return
        try:
            code = await code_for(self.world, visit.user, seconds=LIFETIME_SECONDS)
        except TimeoutError:
            self.done["code too late"] += 1
            return
        for _ in range({"wrong": 1, "locked": 5}.get(what, 0)):
            await self._ask(
                Request(self.rng.choice(self.fleet.alive).url, "login", typing(opened, wrong(code))), "wrong"
            )
        if what != "locked":
            await self._login(visit, code)

    async def _login(self, visit: Visit, code: str) -> None:
        visit.handed_by = self.rng.choice(self.fleet.alive)
        answer = await self._ask(Request(visit.handed_by.url, "login", typing(visit.opened.body, code)), "login")
        visit.handed_at = time.time()
        visit.is_handed = answer is not None and answer.status == 200
        visit.is_seen = self.seen

    async def _other(self, endpoint: str, opened) -> None:
        body = pending(opened) | {"authType": opened["authType"], "apiKey": KEY}
        await self._ask(Request(self.rng.choice(self.fleet.alive).url, endpoint, body), endpoint)

    async def _ask(self, request: Request, endpoint: str) -> Reply | None:
        """The answer, or None for a client that left: before, in the middle of, or with the answer half read."""
        self.seen = False
        way = self.rng.choice(["stay", "stay", "stay", "stay", "before", "middle", "half"])
        reset = self.rng.random() < 0.5
        self.done[f"{endpoint} {way}"] += 1
        await request.open()
        if way == "stay":
            await request.send()
            return await request.answer()
        if way == "before":
            await request.send(request.head + request.body[: self.rng.randrange(len(request.body))])
            await asyncio.sleep(self.rng.random() * 0.005)
        else:
            await request.send()
            if way == "middle":
                await asyncio.sleep(self.rng.random() * 2 * LOGIN_SECONDS)
            else:
                await request.first_byte()
        # Whatever has reached the client's host counts as seen: more is in nobody's power. Only a FIN draws a sharp line.
        sharp = (way, endpoint) == ("middle", "login")
        come = request.reset() if reset and not sharp else request.leave()
        self.seen = way == "half" or come
        return None


async def test_every_session_is_handed_over_pending_or_ended_whatever_clients_do_and_whoever_is_killed(
    world, start, redis_server, capsys
):
    rng = random.Random(20_260_101)
    done: Counter = Counter()
    fleet = Fleet(start=start, alive=await start({"code": CODE}, {"code": CODE}))
    visits: list[Visit] = []
    over = asyncio.Event()

    async def visitor(seed: int) -> None:
        one = Visitor(world, fleet, random.Random(seed), done)
        while not over.is_set() and len(visits) < CROWD:
            visit = Visit(user=crowd(len(visits)))
            visits.append(visit)
            await one.visit(visit)
            await asyncio.sleep(PAUSE_SECONDS)

    visitors = [asyncio.create_task(visitor(rng.randrange(1 << 30))) for _ in range(VISITORS)]
    for number in range(KILLS):
        await asyncio.sleep(rng.uniform(0.2, 1.0))
        if number == KILLS // 2:
            dump, dumped = redis_server.dump(), visits[-SEARCHED:]
        await fleet.kill_one(rng)
    await asyncio.sleep(1)
    assert len(visits) < CROWD, "the last kills met nobody"
    over.set()
    async with asyncio.timeout(60):
        await asyncio.gather(*visitors)

    # Every deadline and every lease is over for a gateway whose clock is far enough ahead.
    world.clock.ahead = 1000
    with capture_logs() as events:
        async with world.open_gateway():
            await world.eventually(lambda: redis_server.ask("ZCARD headgate:deadlines") == b":0\r\n", seconds=30)
            await world.eventually(lambda: not unheard(world, visits, fleet, events), seconds=30)
    assert redis_server.ask("KEYS headgate:parked:*") == b"*0\r\n"
    by_uid = {visit.user.uid: visit for visit in visits}
    born = world.drupal.ledger.sessions
    alive = world.drupal.ledger.alive()
    handed = {visit.user.uid for visit in visits if visit.is_handed}
    seen = {visit.user.uid for visit in visits if visit.is_seen}
    orphans = [session for session in alive if session.uid not in handed | seen]
    ended_in_use = [session for session in born if session.uid in handed and not session.is_alive]
    with capsys.disabled():
        print(
            f"\n{len(born)} sessions, {len(handed)} handed over, {len(fleet.died)} kills, {len(orphans)} orphans, "
            f"{len(ended_in_use)} ended at the kill of who answered; {len(world.mailbox.mails)} mails, "
            f"{len(fleet.given_up())} given up; {dict(sorted(done.items()))}"
        )
    assert {len(set(codes_for(world, visit.user))) for visit in visits} <= {0, 1}
    assert len(dump) > 1000
    assert leaks(dump, belongings(world, dumped)) == []
    assert len(born) == len({session.uid for session in born}) > 20
    for session in orphans:
        assert was_in_flight(session, by_uid[session.uid], fleet), (session, by_uid[session.uid])
    for session in ended_in_use:
        visit = by_uid[session.uid]
        # "The person logs in again": the kill came between the last byte and the note of it.
        assert abs(fleet.died.get(visit.handed_by, 0) - visit.handed_at) < SLACK_SECONDS, (session, visit)


def unheard(world, visits: list[Visit], fleet: Fleet, events: list) -> list[Visit]:
    """Whoever was told of a code, has no mail with one, and of whom no courier has said so either."""
    mailed = {mail.recipients[0] for mail in world.mailbox.mails}
    told = fleet.given_up() | {event["transaction"] for event in events if event["event"] in GIVEN_UP}
    opened = (visit for visit in visits if visit.opened is not None and visit.opened.status == 200)
    return [
        visit
        for visit in opened
        if visit.user.mail not in mailed and transaction_key(visit.opened.body["transactionID"]) not in told
    ]


def belongings(world, visits: list[Visit]) -> dict[str, set[str]]:
    """What nobody may read of these visitors."""
    uids = {visit.user.uid for visit in visits}
    sessions = [session for session in world.drupal.ledger.sessions if session.uid in uids]
    return {
        "name": {visit.user.name for visit in visits},
        "password": {visit.user.password for visit in visits},
        "mail": {visit.user.mail for visit in visits},
        "code": {code for visit in visits for code in codes_for(world, visit.user)},
        "cookie": {session.value for session in sessions},
        "token": {session.logout_token for session in sessions},
    }


def was_in_flight(session: Session, visit: Visit, fleet: Fleet) -> bool:
    """Whether Drupal was at this login when the process that asked for it was killed."""
    died = fleet.died.get(visit.opened_by, 0)
    answered = visit.opened is not None
    return (
        not answered
        and visit.opened_at <= died
        and died - SLACK_SECONDS <= session.born <= died + LOGIN_SECONDS + SLACK_SECONDS
    )


async def test_a_client_that_closes_as_soon_as_it_has_read_its_answer_keeps_its_session(world, start, redis_server):
    [process] = await start({})
    for number in range(form(short=10, long=100)):
        user = crowd(number)
        opened = await Request(process.url, "authenticate", opening(user.name, user.password)).open()
        await opened.send()
        body = (await opened.answer()).body
        login = await Request(process.url, "login", typing(body, await code_for(world, user))).open()
        await login.send()

        answer = await login.answer()

        assert answer.status == 200
    await world.eventually(lambda: redis_server.ask("ZCARD headgate:deadlines") == b":0\r\n")
    assert not process.events("login.client_gone")
    assert len(world.drupal.ledger.alive()) == form(short=10, long=100)


async def test_a_client_that_left_before_its_right_code_was_answered_gets_no_session(world, start, redis_server):
    [process] = await start({})
    frontend = world.visit(process.url)
    for number, way in enumerate(("leave", "reset")):
        user = crowd(number)
        opened = await frontend.authenticate(user.name, user.password)
        request = Request(process.url, "login", typing(opened, await code_for(world, user)))
        await request.open()
        # No answer can be earlier than the end of the stream.
        redis_server.pause()
        await request.send()
        await asyncio.sleep(0.05)
        assert not getattr(request, way)()
        await asyncio.sleep(0.05)
        redis_server.resume()
    await world.eventually(lambda: len(process.events("login.client_gone")) == 2)

    world.clock.ahead = 400
    async with world.open_gateway():
        await world.eventually(lambda: not world.drupal.ledger.alive())
