"""Which frontend asks, and from whose page."""

import hashlib

import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from gateway.account import Client
from gateway.errors import ForeignOrigin, UnknownApiKey
from gateway.web.headless.clients import Clients, origin_of

WEB = Client(id="web", kind="browser", origins=frozenset({"https://app.example.org"}))
OTHER = Client(id="other", kind="browser", origins=frozenset({"https://other.example.org"}))
SERVER = Client(id="next", kind="server")
OWN = "https://www.example.org"


def digest(key):
    return hashlib.sha256(key.encode()).digest()


def clients(own_origin=OWN):
    known = {digest("web-key"): WEB, digest("other-key"): OTHER, digest("next-key"): SERVER}
    return Clients(known, own_origin=own_origin)


def asked(origin=None, host="www.example.org"):
    headers = CIMultiDict({"Host": host} | ({} if origin is None else {"Origin": origin}))
    return make_mocked_request("POST", "/headless/login", headers)


@pytest.mark.parametrize(("key", "client"), [("web-key", WEB), ("other-key", OTHER), ("next-key", SERVER)])
def test_a_key_names_its_client(key, client):
    assert clients().known(key) is client


@pytest.mark.parametrize("key", ["", " ", "web-key ", "WEB-KEY", "web-ke", "ü" * 128, digest("web-key").hex()])
def test_any_other_key_is_unknown(key):
    with pytest.raises(UnknownApiKey) as refused:
        clients().known(key)

    assert str(refused.value) == ""


def test_an_empty_key_is_unknown_even_if_configured():
    with pytest.raises(UnknownApiKey):
        Clients({digest(""): WEB}, own_origin=OWN).known("")


@pytest.mark.parametrize("origin", [None, "https://app.example.org", OWN])
def test_a_browser_client_asks_from_its_pages_and_from_ours(origin):
    clients().demand_origin(WEB, asked(origin))


FOREIGN = [
    "https://evil.test",
    "https://other.example.org",
    "http://app.example.org",
    "https://app.example.org:8443",
    "https://app.example.org.evil.test",
    "https://APP.example.org",
    "https://app.example.org/",
    "null",
    "",
]


@pytest.mark.parametrize("origin", [*FOREIGN, "http://www.example.org"])
def test_from_any_other_page_it_is_refused(origin):
    with pytest.raises(ForeignOrigin):
        clients().demand_origin(WEB, asked(origin))


def test_with_a_public_url_the_host_that_is_asked_for_makes_no_page_ours():
    with pytest.raises(ForeignOrigin):
        clients().demand_origin(WEB, asked("https://evil.test", host="evil.test"))


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://127.0.0.1:8080", "127.0.0.1:8080"),
        ("https://www.example.org", "www.example.org"),
        ("http://[::1]:8080", "[::1]:8080"),
    ],
)
def test_without_a_public_url_the_host_of_the_request_is_the_gateways_own_origin(origin, host):
    clients(None).demand_origin(WEB, asked(origin, host))


@pytest.mark.parametrize("origin", FOREIGN)
def test_without_a_public_url_others_are_refused_too(origin):
    with pytest.raises(ForeignOrigin):
        clients(None).demand_origin(WEB, asked(origin))


@pytest.mark.parametrize("origin", FOREIGN)
def test_a_server_has_no_page(origin):
    clients().demand_origin(SERVER, asked(origin))


def test_only_pages_of_the_clients_may_read():
    known = clients()

    assert known.may_read("https://app.example.org")
    assert known.may_read("https://other.example.org")
    assert not any(known.may_read(origin) for origin in ("https://evil.test", "null", "", "*"))


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://www.example.org", "https://www.example.org"),
        ("https://WWW.Example.org/path", "https://www.example.org"),
        ("HTTPS://www.example.org:443", "https://www.example.org"),
        ("http://www.example.org:80", "http://www.example.org"),
        ("http://www.example.org:443", "http://www.example.org:443"),
        ("https://www.example.org:8443/a/b", "https://www.example.org:8443"),
        ("http://[2001:DB8::1]:8080", "http://[2001:db8::1]:8080"),
    ],
)
def test_an_origin_is_written_as_browsers_do(url, origin):
    assert origin_of(url) == origin
