"""What any number of clients may take of us: heads, bodies, connections, memory (promise 13)."""

import asyncio
import contextlib
import socket
import time
from contextlib import AsyncExitStack

import pytest

from gateway.demo.drupal.faults import Gate
from gateway.web.http import connections, json_body, server
from tests.chaos.forms import form
from tests.flows.steps import all_ended
from tests.wire import Line, ask, assert_ours, line, request
from tests.world import KEY, start_gateway

VALID = {"username": "alice", "password": "alice-pass-1", "apiKey": KEY}
START = b"POST /headless/status HTTP/1.1\r\nHost: localhost\r\n"
ONE_CLIENT = {"trusted_proxies": [], "headless": {"clients": [{"id": "web", "api_key": KEY}]}}


@pytest.fixture
def store():
    return {"kind": "memory"}


def abort(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def closed_within(open_line: Line, seconds: float) -> float:
    """How long it took until the other side closed, whatever it said before."""
    began = time.monotonic()
    with contextlib.suppress(ConnectionError):
        await open_line.rest(seconds=seconds)
    return time.monotonic() - began


async def dripping(open_line: Line, data: bytes, *, every: float = 0.02) -> None:
    with contextlib.suppress(ConnectionError):
        for number in range(len(data)):
            await open_line.send(data[number : number + 1])
            await asyncio.sleep(every)


# Heads


async def test_a_hundred_headers_are_read_and_one_more_is_refused(world, frontend):
    # Three of them stand in every request of these tests.
    read = await ask(frontend.url, request("authenticate", VALID, *(f"X-{number}: 1" for number in range(97))))
    refused = await ask(frontend.url, request("authenticate", VALID, *(f"X-{number}: 1" for number in range(98))))

    assert read.status == 200
    assert (refused.status, refused.code) == (400, "malformed")
    assert "username" not in refused.body


async def test_a_header_of_eight_kilobytes_is_read(world, frontend):
    answer = await ask(frontend.url, request("authenticate", VALID, f"X-A: {'a' * 8_000}"))

    assert answer.status == 200


@pytest.mark.alone
async def test_a_content_type_is_read_only_if_it_is_as_short_as_those_that_there_are(world, frontend):
    long = request("authenticate", VALID, content_type="application/json" + ";" * 8_000)
    began = time.monotonic()

    answers = await asyncio.gather(*(ask(frontend.url, long) for _ in range(10)))

    assert {(answer.status, answer.code) for answer in answers} == {(415, "media_type")}
    assert time.monotonic() - began < 0.5


async def test_many_long_headers_are_refused_before_they_have_all_come(world, frontend):
    async with line(frontend.url) as open_line:
        await open_line.send(START)
        for number in range(5):
            await open_line.send(f"X-{number}: {'a' * 8_000}\r\n".encode())
            await asyncio.sleep(0.02)

        answer = await open_line.reply()

        assert (answer.status, answer.code) == (400, "malformed")
        assert_ours(answer)
        assert b"aaa" not in answer.raw
        assert await closed_within(open_line, 1) < 1


async def test_the_next_request_on_a_connection_has_as_much_room_again(world, frontend):
    async with line(frontend.url) as open_line:
        for _ in range(8):
            await open_line.send(START + f"X-A: {'a' * 8_000}\r\n".encode())
            await asyncio.sleep(0.02)
            await open_line.send(b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
            assert (await open_line.reply()).code == "malformed"


async def test_many_long_headers_behind_a_whole_request_are_refused_too(world, frontend):
    async with line(frontend.url) as open_line:
        await open_line.send(request("authenticate", VALID) + START + LONG_HEADERS)

        replies = [await open_line.reply() for _ in range(2)]

        assert [reply.status for reply in replies] == [200, 400]
        assert await closed_within(open_line, 1) < 1


@pytest.mark.parametrize("what", ["trailers", "chunks of one byte"])
async def test_what_comes_beside_a_body_is_bounded_too(world, frontend, what):
    beside = b"2\r\n{}\r\n0\r\n" + LONG_HEADERS if what == "trailers" else b"1\r\n \r\n" * 10_000
    async with line(frontend.url) as open_line:
        await open_line.send(request("authenticate", beside, "Transfer-Encoding: chunked", length=-1))

        reply = await open_line.reply(seconds=2)

        assert (reply.status, reply.code, reply.headers["connection"]) == (400, "malformed", "close")
        assert await closed_within(open_line, 1) < 1


@pytest.mark.parametrize("sent", [b"", b"P", START, START + b"X-A: b"])
async def test_a_head_that_never_ends_is_given_up_in_bounded_time(world, monkeypatch, sent):
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.3)
    async with world.open_gateway() as frontend, line(frontend.url) as open_line:
        await open_line.send(sent)

        assert 0.2 < await closed_within(open_line, 3) < 1


async def test_a_head_that_drips_is_given_up_in_bounded_time(world, monkeypatch):
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.3)
    async with world.open_gateway() as frontend, line(frontend.url) as open_line:
        drip = asyncio.create_task(dripping(open_line, START * 3))

        assert await closed_within(open_line, 3) < 1
        await drip


async def test_a_second_head_that_drips_is_given_up_too(world, monkeypatch):
    monkeypatch.setattr(server, "KEEP_ALIVE_SECONDS", 0.3)
    async with world.open_gateway() as frontend, line(frontend.url) as open_line:
        await open_line.send(request("status", {}))
        assert (await open_line.reply()).code == "malformed"
        drip = asyncio.create_task(dripping(open_line, START * 3))

        assert await closed_within(open_line, 3) < 1
        await drip


async def test_a_head_in_two_pieces_is_as_good_as_in_one(world, monkeypatch):
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.3)
    async with world.open_gateway() as frontend, line(frontend.url) as open_line:
        whole = request("authenticate", VALID)
        await open_line.send(whole[:40])
        await asyncio.sleep(0.1)
        await open_line.send(whole[40:])

        assert (await open_line.reply()).status == 200
        await asyncio.sleep(0.4)
        await open_line.send(whole)
        assert (await open_line.reply()).status == 200


# Bodies


@pytest.mark.alone
async def test_fifty_slow_bodies_delay_no_other_client_and_are_given_up(world, frontend, monkeypatch):
    monkeypatch.setattr(json_body, "BODY_SECONDS", 0.5)
    async with AsyncExitStack() as stack:
        slow = [await stack.enter_async_context(line(frontend.url)) for _ in range(50)]
        for open_line in slow:
            await open_line.send(request("authenticate", b'{"username": ', length=16_000))
        began = time.monotonic()
        assert (await frontend.authenticate("bob")).status == 200
        assert time.monotonic() - began < 0.4

        answers = await asyncio.gather(*(open_line.reply(seconds=3) for open_line in slow))

        assert {answer.code for answer in answers} == {"malformed"}
        assert world.drupal.login_calls == 1
        # What is still announced is waited for, but not for long.
        assert max(await asyncio.gather(*(closed_within(open_line, 5) for open_line in slow))) < 4


# Connections


class Crowd:
    """Connections that stay, from addresses of this host."""

    def __init__(self, stack: AsyncExitStack, url: str) -> None:
        self.stack = stack
        self.port = int(url.rpartition(":")[2])
        self.lines: list[Line] = []

    async def sit(self, address: str, data: bytes = b"") -> Line:
        """Open another one and send *data*."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, local_addr=(address, 0))
        self.stack.callback(abort, writer)
        one = Line(reader, writer)
        with contextlib.suppress(ConnectionError):
            await one.send(data)
        return one

    async def come(self, address: str = "127.0.0.1") -> bool:
        """Whether another one is served. It stays idle."""
        one = await self.sit(address)
        if not await is_served(one):
            return False
        self.lines.append(one)
        return True

    async def work(self, gate: Gate, address: str) -> Line:
        """Open one whose login Drupal holds at *gate*."""
        one = await self.sit(address, request("authenticate", VALID))
        await gate.reached(gate.waiting + 1)
        return one

    async def leave(self) -> None:
        self.lines.pop().writer.close()
        await asyncio.sleep(0.05)


async def is_served(one: Line) -> bool:
    """Whether the gateway still answers on it."""
    try:
        await one.send(request("status", {}))
        await one.reply()
    except (EOFError, ConnectionError):
        return False
    return True


def named(events, name):
    return [event for event in events if event["event"] == name]


IDLE = {
    "nothing": b"",
    "half a head": START,
    "half a body": request("authenticate", b'{"username": ', length=16_000),
    "a request that was answered": request("status", {}),
}


@pytest.mark.parametrize("sent", IDLE.values(), ids=IDLE.keys())
async def test_idle_connections_from_many_addresses_keep_nobody_out(world, events, sent):
    async with (
        world.open_gateway(listen={"max_connections": 8, "max_connections_per_address": 2}, **ONE_CLIENT) as frontend,
        AsyncExitStack() as stack,
    ):
        crowd = Crowd(stack, frontend.url)
        sitting = [await crowd.sit(f"127.0.0.{number % 4 + 2}", sent) for number in range(8)]
        await asyncio.sleep(0.1)

        assert [await crowd.come(f"127.0.0.{number}") for number in (8, 9)] == [True, True]

        # Those that have been idle the longest made way; all have two, so one of each address went first.
        assert [await ends(one) for one in sitting[:2]] == [True, True]
        assert not [one for one in sitting[2:] if one.reader.at_eof()]
    [said] = named(events, "http.idle_closed")
    assert (said["reason"], said["log_level"]) == ("all", "warning")
    assert not named(events, "http.too_many_connections")
    assert not [event for event in events if "internal" in event["event"]]


async def test_a_connection_that_makes_way_before_its_body_is_read_is_no_bug(world, events, monkeypatch):
    receive = connections.Connection.data_received

    def receive_and_make_way(connection, data):
        receive(connection, data)
        # Once the request has been taken up, and before its handler runs.
        asyncio.get_running_loop().call_soon(connection.abort)

    monkeypatch.setattr(connections.Connection, "data_received", receive_and_make_way)
    async with world.open_gateway() as frontend, line(frontend.url) as open_line:
        await open_line.send(IDLE["half a body"])
        await world.eventually(lambda: named(events, "authenticate.client_gone"), seconds=2)

    assert not [event for event in events if "internal" in event["event"]]


async def ends(one: Line) -> bool:
    """Whether the other side closes it."""
    with contextlib.suppress(ConnectionError):
        await one.rest(seconds=2)
    return one.reader.at_eof()


async def test_a_connection_makes_way_from_the_address_that_has_most_idle_ones(world):
    async with (
        world.open_gateway(listen={"max_connections": 5}, **ONE_CLIENT) as frontend,
        AsyncExitStack() as stack,
    ):
        crowd = Crowd(stack, frontend.url)
        # It has been idle the longest, but its address has no other.
        assert await crowd.come("127.0.0.2")
        assert all([await crowd.come("127.0.0.3") for _ in range(4)])

        assert all([await crowd.come(f"127.0.0.{number}") for number in (4, 5)])

        assert [await is_served(one) for one in crowd.lines] == [True, False, False, True, True, True, True]


async def test_requests_in_flight_are_never_given_up_for_a_new_connection(world, events):
    gate = world.drupal.gate = Gate(after_birth=False)
    async with (
        world.open_gateway(listen={"max_connections": 3}, **ONE_CLIENT) as frontend,
        AsyncExitStack() as stack,
    ):
        crowd = Crowd(stack, frontend.url)
        working = [await crowd.work(gate, f"127.0.0.{number}") for number in (2, 3, 4)]

        assert [await crowd.come(f"127.0.0.{number}") for number in (5, 6)] == [False, False]
        gate.release()

        assert {(await one.reply()).status for one in working} == {200}
        # Now they are idle, and one makes way.
        assert await crowd.come("127.0.0.5")
    [said] = named(events, "http.too_many_connections")
    assert said["reason"] == "all"


async def test_one_address_has_so_many_requests_in_flight_and_others_are_served(world, events):
    gate = world.drupal.gate = Gate(after_birth=False)
    async with (
        world.open_gateway(listen={"max_connections_per_address": 2}, **ONE_CLIENT) as frontend,
        AsyncExitStack() as stack,
    ):
        crowd = Crowd(stack, frontend.url)
        for _ in range(2):
            await crowd.work(gate, "127.0.0.1")

        assert [await crowd.come() for _ in range(2)] == [False, False]
        assert await crowd.come("127.0.0.2")
        gate.release()

    [said] = named(events, "http.too_many_connections")
    assert said["reason"] == "address"


async def test_an_address_that_has_so_many_closes_its_own_idle_ones(world, events):
    async with (
        world.open_gateway(listen={"max_connections_per_address": 2}, **ONE_CLIENT) as frontend,
        AsyncExitStack() as stack,
    ):
        crowd = Crowd(stack, frontend.url)
        assert all([await crowd.come("127.0.0.2") for _ in range(2)])

        assert all([await crowd.come() for _ in range(4)])

        assert [await is_served(one) for one in crowd.lines] == [True, True, False, False, True, True]
    [said] = named(events, "http.idle_closed")
    assert said["reason"] == "address"


async def test_an_answer_that_nobody_reads_keeps_nobody_out(world):
    document = b"GET /headless/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
    async with world.open_gateway(listen={"max_connections": 2}, **ONE_CLIENT) as frontend, AsyncExitStack() as stack:
        crowd = Crowd(stack, frontend.url)
        for number in (2, 3):
            with socket.socket() as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
                client.bind((f"127.0.0.{number}", 0))
                client.setblocking(False)
                stack.callback(client.dup().close)
                await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", crowd.port))
                client.send(document * connections.MOST_WAITING)
        await asyncio.sleep(0.2)

        assert [await crowd.come(f"127.0.0.{number}") for number in (5, 6)] == [True, True]


async def test_our_own_proxies_have_as_many_as_there_are(world, events):
    async with world.open_gateway(listen={"max_connections_per_address": 3}) as frontend, AsyncExitStack() as stack:
        crowd = Crowd(stack, frontend.url)

        assert all([await crowd.come() for _ in range(10)])


async def test_operators_are_answered_however_many_clients_there_are(world):
    gate = world.drupal.gate = Gate(after_birth=False)
    async with world.open_gateway(listen={"max_connections": 2}) as frontend, AsyncExitStack() as stack:
        crowd = Crowd(stack, frontend.url)
        for number in (2, 3):
            await crowd.work(gate, f"127.0.0.{number}")
        assert not await crowd.come()

        async with frontend._http.get(f"{world.admin_url}/livez") as answer:
            assert answer.status == 200
        gate.release()


# Pipelining

NOWHERE = b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.alone
async def test_hundreds_of_connections_that_pipeline_hundreds_of_requests_delay_no_login(world, frontend, events):
    async with AsyncExitStack() as stack:
        crowd = [await stack.enter_async_context(line(frontend.url)) for _ in range(200)]
        sending = [asyncio.create_task(each.send(NOWHERE * 200)) for each in crowd]
        await asyncio.sleep(0)
        began = time.monotonic()

        assert (await frontend.authenticate("bob")).status == 200

        assert time.monotonic() - began < 2
        await asyncio.gather(*sending, return_exceptions=True)
        assert max(await asyncio.gather(*(closed_within(each, 5) for each in crowd))) < 5
    assert [event["event"] for event in events].count("http.pipelined") == 1


async def test_a_few_requests_at_once_are_answered_in_their_order(world, frontend):
    async with line(frontend.url) as open_line:
        await open_line.send(request("status", {}) + NOWHERE + request("authenticate", VALID) + NOWHERE)

        replies = [await open_line.reply() for _ in range(4)]

    assert [reply.status for reply in replies] == [400, 404, 200, 404]


async def test_what_waits_behind_a_slow_login_is_bounded_and_the_login_leaves_no_session(world, frontend, events):
    gate = world.drupal.gate = Gate(after_birth=True)
    async with line(frontend.url) as open_line:
        await open_line.send(request("authenticate", VALID))
        await gate.reached()
        for _ in range(connections.MOST_WAITING):
            await open_line.send(NOWHERE)
        await asyncio.sleep(0.1)
        assert not open_line.reader.at_eof()
        await open_line.send(NOWHERE)

        assert await closed_within(open_line, 2) < 1
    gate.release()
    await world.eventually(lambda: [event for event in events if event["event"].startswith("authenticate.")])
    world.clock.ahead = 301
    await all_ended(world)


async def test_the_rest_of_a_body_that_was_already_refused_is_not_read(world, frontend):
    """Such a body would stay with its connection, were it to wait for another request."""
    async with line(frontend.url) as open_line:
        await open_line.send(request("authenticate", b"x", length=500_000))
        reply = await open_line.reply()
        await open_line.send(b"x" * 499_999)

        assert (reply.status, reply.headers["connection"]) == (413, "close")
        assert await closed_within(open_line, 5) < 2 * server.LINGER_SECONDS


async def test_a_client_that_reads_nothing_of_its_answers_is_disconnected_in_bounded_time(world, events, monkeypatch):
    monkeypatch.setattr(connections, "UNREAD_SECONDS", 1)
    async with world.open_gateway() as frontend:
        with socket.socket() as client:
            # As small as it goes, or all of it would lie in the two systems' buffers.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            port = int(frontend.url.rpartition(":")[2])
            await asyncio.to_thread(client.connect, ("127.0.0.1", port))
            client.sendall(b"GET /headless/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * connections.MOST_WAITING)
            await world.eventually(lambda: connections_to(port))

            await world.eventually(lambda: not connections_to(port))

        assert (await frontend.authenticate()).status == 200
    assert not [event for event in events if "internal" in event["event"]]


def connections_to(port: int) -> int:
    """How many this machine holds open at *port*."""
    with open("/proc/net/tcp") as table:  # noqa: PTH123
        lines = [text.split() for text in table]
    return sum(here.endswith(f":{port:04X}") and state == ESTABLISHED for _, here, _, state, *_ in lines)


# Memory


def megabytes(pid: int) -> float:
    with open(f"/proc/{pid}/status") as status:  # noqa: PTH123
        return next(int(text.split()[1]) / 1024 for text in status if text.startswith("VmRSS"))


LONG_HEADERS = b"".join(b"X-%d: %b\r\n" % (number, b"a" * 8_000) for number in range(95))
ESTABLISHED = "01"
BEHIND = [
    request("status", {}) + START + LONG_HEADERS,
    request("status", b"2\r\n{}\r\n0\r\n" + LONG_HEADERS, "Transfer-Encoding: chunked", length=-1),
]
UNREAD = [request("authenticate", b"x" * 200_000, length=200_000)]
HOSTILE = [
    *[START + LONG_HEADERS] * 6,
    START + b"X-A: " + b"a" * 8_000,
    START + b"X-A: " + b"a" * 1_000_000,
    b"POST /" + b"a" * 100_000,
    request("authenticate", b" " * 16_383, length=16_384),
    request("authenticate", b"[" * 16_000),
    request("authenticate", b"{", length=1 << 60),
    request("authenticate", b"x" * 500_000, length=500_000),
    request("status", b"ffffff\r\n" + b" " * 200_000, "Transfer-Encoding: chunked", length=-1),
    b"GET /headless/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100,
    request("status", {}) * 200,
    bytes(range(256)) * 400,
]
# Of what each of them sends, up to a megabyte, nothing is kept.
MOST_MEGABYTES, MOST_MEGABYTES_EACH = 10, 0.02


@pytest.mark.alone
@pytest.mark.parametrize(
    "sent", [HOSTILE, UNREAD, BEHIND], ids=["hostile", "bodies that nobody reads", "heads behind requests"]
)
async def test_hostile_connections_take_a_bounded_amount_of_memory(world, tmp_path, sent):
    many = form(short=300, long=2000)
    async with start_gateway(world, tmp_path) as process, AsyncExitStack() as stack:
        frontend = world.visit(process.url)
        assert (await frontend.authenticate()).status == 200
        before = megabytes(process.process.pid)

        async def attack(number: int) -> None:
            _, writer = await asyncio.open_connection("127.0.0.1", int(process.url.rpartition(":")[2]))
            stack.callback(abort, writer)
            writer.write(sent[number % len(sent)])

        for start in range(0, many, 50):
            await asyncio.gather(*(attack(number) for number in range(start, min(start + 50, many))))
            await asyncio.sleep(0.05)
        await asyncio.sleep(1)
        during = megabytes(process.process.pid)
        assert (await frontend.authenticate("bob")).status == 200

        assert during - before < MOST_MEGABYTES + many * MOST_MEGABYTES_EACH
        assert not [entry for entry in process.log if '"http.internal"' in entry or ".internal" in entry]
