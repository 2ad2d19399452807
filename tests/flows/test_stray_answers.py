"""Bytes that Drupal's side sends and nobody asked for: they log nobody in, and no session in them is handed out."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest

NAME = "SESS" + "0" * 32


@pytest.fixture
def store():
    return {"kind": "memory"}


def http(status: str, body: object, *headers: str) -> bytes:
    text = json.dumps(body)
    lines = (f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(text)}", *headers)
    return "\r\n".join([*lines, "", text]).encode()


def login_answer(name: str | None, session: str) -> bytes:
    user = {"uid": "2"} if name is None else {"uid": "2", "name": name}
    tokens = {"csrf_token": "c" * 43, "logout_token": "l" * 43}
    return http("200 OK", {"current_user": user, **tokens}, f"Set-Cookie: {NAME}={session}; path=/; HttpOnly")


REFUSAL = http("400 Bad Request", {"message": "Sorry, unrecognized username or password."})
STRAY = login_answer("alice", "stray")


@dataclass
class RawDrupal:
    """Answers with these bytes: each login with what *answers* has for its name."""

    answers: dict[str, bytes]
    # What follows an answer to a login, in the packet of its end.
    stray_in_packet: bytes = b""
    splits_packet: bool = False
    # What takes the place of an answer to a login.
    stray_instead: bytes = b""
    # Each login's name, and the number of its connection.
    logins: list[tuple[str, int]] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = len(self.writers)
        self.writers.append(writer)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                await self.answer(head, await self.body(head, reader), number, writer)
        writer.close()

    async def body(self, head: str, reader: asyncio.StreamReader) -> bytes:
        length = [line.partition(":")[2] for line in head.split("\r\n") if line.lower().startswith("content-length:")]
        return await reader.readexactly(int(length[0])) if length else b""

    async def answer(self, head: str, body: bytes, number: int, writer: asyncio.StreamWriter) -> None:
        if head.startswith("POST /user/login?"):
            name = json.loads(body)["name"]
            self.logins.append((name, number))
            answer = self.stray_instead or self.answers[name]
            if self.splits_packet:
                # The client has read the head before the end of the body comes, with the stray bytes.
                writer.write(answer[:-5])
                await asyncio.sleep(0.1)
                answer = answer[-5:]
            writer.write(answer + self.stray_in_packet)
        elif head.startswith(("GET /user/logout ", "POST /user/logout?")):
            self.ended += [line.partition("=")[2] for line in head.split("\r\n") if line.startswith("Cookie:")]
            writer.write(http("302 Found", {}, "Location: /"))
        else:
            writer.write(http("404 Not Found", {}))


@asynccontextmanager
async def raw(drupal: RawDrupal) -> AsyncIterator[str]:
    server = await asyncio.start_server(drupal.serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for writer in drupal.writers:
            writer.close()


@pytest.fixture
async def drupal():
    """Knows alice, and refuses whatever password bob has."""
    return RawDrupal({"alice": login_answer("alice", "own"), "bob": REFUSAL})


@pytest.fixture
async def frontend(world, drupal):
    """A frontend of a gateway in front of that Drupal, which shows no account: only observed logins succeed."""
    async with (
        raw(drupal) as url,
        world.open_gateway(drupal={"url": url, "contacts": "off"}, policy={"require": "observe"}) as made,
    ):
        yield made


async def refused_on_a_new_connection(frontend, drupal: RawDrupal) -> None:
    """bob's wrong password is refused, by Drupal's own answer to it."""
    used = len(drupal.writers)

    answer = await frontend.authenticate("bob", "wrong")

    assert (answer.status, answer.code, answer.cookies) == (401, "credentials", [])
    assert drupal.logins[-1] == ("bob", used)


async def test_without_stray_bytes_a_connection_is_used_again(frontend, drupal):
    assert (await frontend.authenticate("alice")).cookies == [f"{NAME}=own; path=/; HttpOnly"]
    assert (await frontend.authenticate("bob", "wrong")).code == "credentials"

    assert drupal.logins == [("alice", 0), ("bob", 0)]


@pytest.mark.parametrize("stray", [STRAY, STRAY[:20], b"x"], ids=["an answer", "a part of one", "a byte"])
async def test_bytes_that_come_while_a_connection_is_idle_are_no_answer_to_the_next_request(frontend, drupal, stray):
    await frontend.authenticate("alice")

    drupal.writers[0].write(stray)
    await asyncio.sleep(0.05)

    await refused_on_a_new_connection(frontend, drupal)


@pytest.mark.parametrize("splits_packet", [False, True], ids=["with the whole", "with the end"])
async def test_bytes_that_come_with_an_answer_are_no_answer_to_the_next_request(frontend, drupal, splits_packet):
    drupal.stray_in_packet, drupal.splits_packet = STRAY, splits_packet
    await frontend.authenticate("alice")
    drupal.stray_in_packet, drupal.splits_packet = b"", False

    await refused_on_a_new_connection(frontend, drupal)


async def test_an_answer_with_another_name_logs_nobody_in_and_its_session_is_ended(world, frontend, drupal, events):
    await frontend.authenticate("bob", "wrong")
    drupal.stray_instead = STRAY

    answer = await frontend.authenticate("bob", "wrong")

    assert (answer.status, answer.code, answer.cookies) == (502, "drupal_invalid", [])
    assert [event["reason"] for event in events if event["event"] == "authenticate.drupal_invalid"] == ["other_name"]
    await world.eventually(lambda: drupal.ended == ["stray"])


@pytest.mark.parametrize("name", [None, ""], ids=["no name", "an empty name"])
async def test_an_answer_without_a_name_logs_nobody_in(world, frontend, drupal, name):
    drupal.answers["alice"] = login_answer(name, "nameless")

    # A name of marks alone folds to nothing, as does no name.
    drupal.answers["·"] = drupal.answers["alice"]
    for asked in ("alice", "·"):
        answer = await frontend.authenticate(asked, "right")
        assert (answer.status, answer.code) == (502, "drupal_invalid")

    await world.eventually(lambda: drupal.ended == ["nameless", "nameless"])


async def test_a_name_in_another_spelling_is_the_same_name(frontend, drupal):
    drupal.answers["ÀLICE "] = drupal.answers["alice"]

    assert (await frontend.authenticate("ÀLICE ", "right")).cookies


class TestLoginByMail:
    """A module lets users log in with their mail address."""

    @pytest.fixture
    async def frontend(self, world, drupal):
        settings = {"contacts": "off", "login_by_mail": True}
        async with (
            raw(drupal) as url,
            world.open_gateway(drupal={"url": url, **settings}, policy={"require": "observe"}) as made,
        ):
            yield made

    @pytest.mark.parametrize("name", ["alice", None])
    async def test_the_name_in_the_answer_is_not_compared(self, frontend, drupal, name):
        drupal.answers["alice@example.test"] = login_answer(name, "own")

        answer = await frontend.authenticate("alice@example.test", "right")

        assert answer.cookies == [f"{NAME}=own; path=/; HttpOnly"]
