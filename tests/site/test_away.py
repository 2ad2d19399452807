"""While Drupal does not answer, visitors get a page, and programs get JSON."""

import json
import re
import socket

import pytest

from tests.ports import free_port
from tests.site.conftest import a_site
from tests.site.visitor import HOST, request

HTML = b"Accept: text/html,application/xhtml+xml,*/*;q=0.8"
JSON = b"Accept: application/vnd.api+json"


@pytest.fixture
async def away():
    async with a_site(f"http://127.0.0.1:{free_port()}") as site:
        yield site


def proxy_events(events):
    return [(event["event"], event["reason"]) for event in events if event["event"].startswith("proxy.")]


@pytest.mark.parametrize(
    ("language", "lang", "title"),
    [
        (b"en", 'lang="en" dir="ltr"', "This site can&#x27;t be reached right now."),
        (b"de-AT, en;q=0.5", 'lang="de" dir="ltr"', "Diese Website ist gerade nicht erreichbar."),
        (b"ar", 'lang="ar" dir="rtl"', "لا يمكن الوصول إلى هذا الموقع حاليًا."),
        (b"tlh", 'lang="en" dir="ltr"', "This site can&#x27;t be reached right now."),
    ],
)
async def test_a_page_in_the_visitors_language(away, events, language, lang, title):
    reply = await away.get(b"/", HTML, b"Accept-Language: " + language)

    assert reply.status == 503
    assert int(reply.named(b"Retry-After")[0]) >= 1
    assert reply.named(b"Content-Type") == [b"text/html; charset=utf-8"]
    assert reply.named(b"Cache-Control") == [b"no-store"]
    page = reply.body.decode()
    assert lang in page
    assert f"<title>{title}</title>" in page
    assert proxy_events(events) == [("proxy.unavailable", "ClientConnectorError")]


async def test_the_page_loads_nothing_and_its_policy_allows_nothing_but_its_style(away):
    reply = await away.get(b"/", HTML)

    policy = reply.named(b"Content-Security-Policy")[0].decode()
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert re.findall(rb"(?:src|href|url)\b", reply.body) == []


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (HTML, b"text/html"),
        (JSON, b"application/json"),
        (b"Accept: application/json", b"application/json"),
        (b"Accept: application/json, text/html", b"text/html"),
        (b"Accept: */*", b"text/html"),
        (b"X: y", b"text/html"),
    ],
)
async def test_json_for_those_who_ask_for_it(away, accept, kind):
    reply = await away.get(b"/jsonapi", accept)

    assert reply.named(b"Content-Type")[0].startswith(kind)
    assert reply.named(b"Retry-After")
    if kind == b"application/json":
        body = json.loads(reply.body)
        assert (body["status"], body["code"]) == ("ERROR", "drupal_unavailable")
        assert "Logging in" not in body["message"]


async def test_a_visitor_can_try_again_on_the_same_connection(away):
    async with away.visit() as visitor:
        for _ in range(3):
            await visitor.send(request(b"/"))
            assert (await visitor.reply()).status == 503


async def test_a_head_gets_no_body(away):
    async with away.visit() as visitor:
        for _ in range(2):
            await visitor.send(request(b"/", method=b"HEAD"))
            assert (await visitor.reply(method="HEAD")).status == 503


async def test_a_body_that_nobody_reads_ends_the_connection(away):
    async with away.visit() as visitor:
        await visitor.send(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 100000\r\n\r\nbegin")
        reply = await visitor.reply()

        assert (reply.status, reply.named(b"Connection")) == (503, [b"close"])


async def test_drupal_that_does_not_answer_is_a_504(backend, events):
    async def answer(_received, peer):
        await peer.gone()

    backend.answer = answer
    async with a_site(backend.url, proxy={"first_byte_seconds": 0.3}) as site:
        reply = await site.get(b"/", HTML)

        assert reply.status == 504
        assert reply.named(b"Retry-After")
    assert proxy_events(events) == [("proxy.timeout", "first_byte")]


async def test_drupal_that_can_not_be_connected_to_is_told_after_the_time_for_it(events):
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.create_connection(full.getsockname()) for _ in range(1)]
        waiting[0].setblocking(False)
        more = [socket.socket() for _ in range(4)]
        for each in more:
            each.setblocking(False)
            each.connect_ex(full.getsockname())
        async with a_site(f"http://127.0.0.1:{full.getsockname()[1]}", proxy={"connect_seconds": 0.3}) as site:
            assert (await site.get(b"/")).status == 503
        for each in waiting + more:
            each.close()
    assert proxy_events(events) == [("proxy.unavailable", "connect_timeout")]


async def test_an_event_comes_once_a_minute_and_names_no_visitor(away, events):
    for _ in range(5):
        await away.get(b"/secret?token=secret", b"Cookie: secret")

    assert len(proxy_events(events)) == 1
    assert "secret" not in repr(events)
