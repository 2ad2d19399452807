"""The proxy and the API of one gateway, in front of one Drupal: neither takes anything from the other."""

import asyncio
from urllib.parse import urlsplit

import pytest

from gateway.demo.drupal.site import DrupalOptions
from tests.site.backend import Backend, running
from tests.world import SESSION_NAME, cookie_pair

URL = "http://localhost"


@pytest.fixture
def store():
    return {"kind": "memory"}


@pytest.fixture
def drupal_options():
    return DrupalOptions(reverse_proxy_addresses=("127.0.0.1",), trusted_hosts=("^localhost$",))


@pytest.fixture
async def frontend(world):
    async with world.open_gateway(public_url=URL, proxy={"enabled": True}, guard={"mode": "off"}) as made:
        yield made


async def ask(frontend, method, path, **more):
    """A visitor's request, as it is for `public_url`."""
    headers = {"Host": "localhost"} | more.pop("headers", {})
    async with frontend._http.request(
        method, frontend.url + path, headers=headers, allow_redirects=False, **more
    ) as answer:
        return answer.status, answer.headers, await answer.text()


async def logged_in(world, frontend):
    mails = len(world.mailbox.mails)
    opened = await frontend.authenticate()
    return await frontend.login(opened, await world.code(mails + 1))


async def test_a_session_of_the_api_is_one_at_the_proxied_site(world, frontend):
    answer = await logged_in(world, frontend)
    assert answer.status == 200

    status, _, body = await ask(
        frontend, "GET", "/user/login_status?_format=json", headers={"Cookie": cookie_pair(answer.cookies[0])}
    )

    assert (status, body) == (200, "1")


async def test_drupal_names_the_cookie_of_a_proxied_login_as_that_of_the_api(world, frontend):
    status, headers, _ = await ask(
        frontend, "POST", "/user/login?_format=json", json={"name": "alice", "pass": "alice-pass-1"}
    )

    assert status == 200
    assert headers["Set-Cookie"].startswith(f"{SESSION_NAME}=")
    assert cookie_pair((await logged_in(world, frontend)).cookies[0]).startswith(f"{SESSION_NAME}=")


async def test_a_proxied_request_looks_to_drupal_as_a_login_does(world, frontend):
    await logged_in(world, frontend)
    ours = world.drupal.calls[0].headers
    await ask(
        frontend, "GET", "/user/login", headers={"X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example"}
    )
    proxied = world.drupal.calls[-1].headers

    for name in ("Host", "X-Forwarded-Proto", "X-Forwarded-For"):
        assert proxied.getall(name) == ours.getall(name), name
    assert "X-Forwarded-Host" not in proxied


async def test_a_trusted_proxy_tells_the_address_of_the_visitor(world, frontend):
    await ask(frontend, "GET", "/user/login", headers={"X-Forwarded-For": "198.51.100.9, 192.0.2.7"})

    assert world.drupal.calls[-1].headers.getall("X-Forwarded-For") == ["192.0.2.7"]


async def test_logins_go_on_while_downloads_fill_the_proxy(world):
    """All slots of the proxy are taken, and as many wait: a login has connections and slots of its own."""
    drupal = urlsplit(world.drupal_url)
    opened = asyncio.Event()

    async def answer(received, peer):
        if received.line.startswith(b"GET /download"):
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nbegin")
            await opened.wait()
            return
        reader, writer = await asyncio.open_connection(drupal.hostname, drupal.port)
        writer.write(received.head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") + received.framed)
        await peer.send(await reader.read())
        writer.close()
        peer.close()

    async with (
        running(Backend(answer=answer)) as backend,
        world.open_gateway(
            public_url=URL,
            drupal={"url": backend.url},
            proxy={"enabled": True, "max_concurrent": 8},
            guard={"mode": "off"},
        ) as frontend,
    ):
        downloads = [
            asyncio.create_task(ask(frontend, "GET", "/download", headers={"X-Forwarded-For": f"192.0.2.{number % 4}"}))
            for number in range(16)
        ]
        await world.eventually(lambda: len(backend.received) == 8)
        await asyncio.sleep(0.1)
        assert len(backend.received) == 8

        for _ in range(3):
            assert (await logged_in(world, frontend)).status == 200
        opened.set()
        for download in downloads:
            download.cancel()
        await asyncio.gather(*downloads, return_exceptions=True)


async def test_without_the_proxy_every_other_path_is_a_404(world):
    async with world.open_gateway(public_url=URL) as frontend:
        status, headers, _ = await ask(frontend, "GET", "/user/login")

    assert status == 404
    assert headers["X-Answered-By"] == "headgate"


async def test_a_shutdown_lets_a_download_finish_and_ends_what_has_no_end(world):
    finish = asyncio.Event()

    async def answer(received, peer):
        if received.line.startswith(b"GET /endless"):
            await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
            await peer.gone()
            return
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbe")
        await finish.wait()
        await peer.send(b"in")

    async with running(Backend(answer=answer)) as backend:
        async with world.open_gateway(
            public_url=URL,
            drupal={"url": backend.url},
            proxy={"enabled": True},
            guard={"mode": "off"},
            shutdown_seconds=2,
        ) as frontend:
            short = asyncio.create_task(ask(frontend, "GET", "/short"))
            endless = asyncio.create_task(ask(frontend, "GET", "/endless"))
            await world.eventually(lambda: len(backend.received) == 2)
            asyncio.get_running_loop().call_later(0.3, finish.set)
            begun = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - begun < 6

        assert (await short)[2] == "bein"
        with pytest.raises(Exception, match=r"payload|reset|closed"):
            await endless
