"""Which headers go on, which stay behind, and which requests go nowhere: tables of cases."""

from http import HTTPStatus

import pytest

from gateway.web.site.forwarding import forwarded, framing_of, hosts_of, refusal, released


def raw(*names: str, value: str = "x"):
    return [(name.encode("latin-1"), value.encode("latin-1")) for name in names]


def names(raw_headers, *, expects=False):
    return [name for name, _ in forwarded(raw_headers, expects=expects).headers]


@pytest.mark.parametrize(
    "name",
    [
        *("Accept", "Cookie", "Authorization", "Content-Type", "Content-Length", "Range", "If-None-Match", "Origin"),
        *("User-Agent", "Referer", "X-Requested-With", "X-CSRF-Token", "X-Drupal-Ajax-Token", "X-1", "Proxied"),
        *("Sec-WebSocket-Key", "DNT", "Via", "CF-Connecting-IP", "Forwarded-Proto", "X-Forward", "Hosts"),
    ],
)
@pytest.mark.parametrize("spelled", [str, str.lower, str.upper])
def test_a_request_keeps_it(name, spelled):
    assert names(raw(spelled(name))) == [spelled(name)]


@pytest.mark.parametrize(
    "name",
    [
        # Hop-by-hop.
        *("Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authorization", "TE", "Trailer", "Upgrade"),
        "Transfer-Encoding",
        # The gateway's own.
        *("Host", "Forwarded", "X-Real-IP", "Proxy", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"),
        *("X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-Server", "X-Forwarded-", "X-Forwarded-Anything"),
        # Another method.
        *("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"),
    ],
)
@pytest.mark.parametrize("spelled", [str, str.lower, str.upper, lambda name: name.replace("-", "_")])
def test_a_request_loses_it_in_any_spelling(name, spelled):
    if "_" in spelled(name) or "-" in name or spelled is not str:
        assert names(raw(spelled(name))) == []


@pytest.mark.parametrize(
    "name", ["X_Custom", "Content_Length", "COOKIE_", "a.b", "a!b", "a~b", "a'b", "a|b", "a%b", "X\xe4"]
)
def test_a_name_that_php_could_read_as_another_one_is_lost(name):
    assert names(raw(name)) == []


@pytest.mark.parametrize(
    ("connection", "kept"),
    [
        ("close", ["A", "B", "Cookie", "Content-Length"]),
        ("keep-alive, a", ["B", "Cookie", "Content-Length"]),
        ("A ,\tb", ["Cookie", "Content-Length"]),
        ("cookie", ["A", "B", "Content-Length"]),
        ("content-length", ["A", "B", "Cookie", "Content-Length"]),
        (",,", ["A", "B", "Cookie", "Content-Length"]),
        ("x-forwarded-for, host", ["A", "B", "Cookie", "Content-Length"]),
    ],
)
def test_connection_takes_away_what_it_names_but_no_framing(connection, kept):
    headers = [(b"Connection", connection.encode()), *raw("A", "B", "Cookie", "Content-Length")]

    assert names(headers) == kept
    assert names(headers[::-1]) == kept[::-1]


def test_values_keep_every_byte():
    value = bytes(range(0x20, 0x7F)) + bytes(range(0x80, 0x100))

    assert forwarded([(b"X", value)], expects=False).headers == [("X", value.decode("latin-1"))]


@pytest.mark.parametrize("expects", [True, False])
def test_an_expectation_goes_on_if_there_is_a_body_to_expect(expects):
    assert names(raw("Expect"), expects=expects) == ["Expect"] * expects


@pytest.mark.parametrize(
    ("headers", "kept"),
    [
        ([("Set-Cookie", "a"), ("set-cookie", "b")], ["Set-Cookie", "set-cookie"]),
        ([("X_Y", "1"), ("Server", "s"), ("X-Forwarded-For", "a")], ["X_Y", "Server", "X-Forwarded-For"]),
        ([("Connection", "x-hop"), ("X-Hop", "1"), ("X", "2")], ["X"]),
        ([("Connection", "content-length"), ("Content-Length", "1")], ["Content-Length"]),
        ([("Keep-Alive", "1"), ("TRANSFER-encoding", "chunked"), ("Upgrade", "x"), ("Trailer", "t")], []),
        ([("WWW-Authenticate", "Basic"), ("Date", "d")], ["WWW-Authenticate", "Date"]),
    ],
)
def test_an_answer_loses_what_belongs_to_its_connection(headers, kept):
    assert [name for name, _ in released(headers, status=200)] == kept


def test_a_204_has_no_length():
    assert released([("Content-Length", "0"), ("ETag", "x")], status=204) == [("ETag", "x")]


LENGTH = [("content-LENGTH", "5")]


@pytest.mark.parametrize(
    ("method", "status", "headers", "version", "framing"),
    [
        ("GET", 200, LENGTH, (1, 1), (True, False, False)),
        ("GET", 200, LENGTH, (1, 0), (True, False, False)),
        ("GET", 200, [], (1, 1), (True, True, False)),
        ("GET", 200, [], (1, 0), (True, False, True)),
        ("HEAD", 200, LENGTH, (1, 1), (False, False, False)),
        ("HEAD", 200, [], (1, 1), (False, False, False)),
        ("GET", 204, [], (1, 1), (False, False, False)),
        ("GET", 304, LENGTH, (1, 1), (False, False, False)),
        ("POST", 500, [], (1, 1), (True, True, False)),
    ],
)
def test_the_framing_of_an_answer(method, status, headers, version, framing):
    found = framing_of(method, status, headers, version=version)

    assert (found.has_body, found.chunked, found.by_close) == framing


@pytest.mark.parametrize(
    ("method", "target", "version", "encodings", "has_length", "refused"),
    [
        ("GET", "/", (1, 1), [], False, None),
        ("GET", "/", (1, 0), [], False, None),
        ("PROPFIND", "/!\"$%&'()*+,-./:;<=>?@[\\]^_`{|}~", (1, 1), [], False, None),
        ("POST", "/", (1, 1), ["chunked"], False, None),
        ("POST", "/", (1, 1), ["Chunked"], False, None),
        ("POST", "/", (1, 1), ["chunked"], True, HTTPStatus.BAD_REQUEST),
        ("POST", "/", (1, 0), ["chunked"], False, HTTPStatus.BAD_REQUEST),
        ("POST", "/", (1, 1), ["gzip, chunked"], False, HTTPStatus.BAD_REQUEST),
        ("POST", "/", (1, 1), ["chunked", "chunked"], False, HTTPStatus.BAD_REQUEST),
        ("TRACE", "/", (1, 1), [], False, HTTPStatus.METHOD_NOT_ALLOWED),
        ("CONNECT", "/", (1, 1), [], False, HTTPStatus.METHOD_NOT_ALLOWED),
        *(
            ("GET", target, (1, 1), [], False, HTTPStatus.BAD_REQUEST)
            for target in (
                "",
                "*",
                "a",
                "http://a/",
                "/a#b",
                "/a b",
                "/a\tb",
                "/\n",
                "/a\n",
                "/\x7f",
                "/\udcff",
                "/\xe4",
                "/ä",
            )
        ),
        *(("GET", "/", version, [], False, HTTPStatus.BAD_REQUEST) for version in ((0, 9), (1, 2), (2, 0))),
    ],
)
def test_which_requests_go_nowhere(method, target, version, encodings, has_length, refused):
    assert refusal(method, target, version, encodings, has_length=has_length) == refused


@pytest.mark.parametrize(
    ("urls", "hosts"),
    [
        (["https://www.example.org"], {"www.example.org", "www.example.org:443"}),
        (["http://www.example.org:80"], {"www.example.org", "www.example.org:80"}),
        (["https://WWW.example.org:8443"], {"www.example.org:8443"}),
        (["http://[2001:db8::1]"], {"[2001:db8::1]", "[2001:db8::1]:80"}),
        (["https://a.example/drupal", None], {"a.example", "a.example:443"}),
        (["https://a.example", "http://b.example"], {"a.example", "a.example:443", "b.example", "b.example:80"}),
    ],
)
def test_the_hosts_that_mean_a_url(urls, hosts):
    assert hosts_of(*urls) == hosts
