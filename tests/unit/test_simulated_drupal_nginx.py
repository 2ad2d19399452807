"""What the simulated site's nginx reads and refuses, as measured with Drupal 10.6 and 11.4."""

import pytest

from gateway.demo.drupal import nginx

HOST = b"Host: a\r\n\r\n"


@pytest.mark.parametrize(
    ("first", "target"),
    [
        (b"POST  /x  HTTP/1.1", "/x"),
        (b"POST /x HTTP/1.1 ", "/x"),
        (b"POST /x#y HTTP/1.1", "/x#y"),
        (b"POST http://evil.test/x?y HTTP/1.1", "/x?y"),
        (b"POST HtTp://x?y HTTP/1.1", "/?y"),
        (b"POST ftp://x HTTP/1.1", "/"),
        (b"POST /u\xc5\xbfer HTTP/1.1", "/uſer"),
        (b"POST /x HTTP/1.2", "/x"),
        (b"P-OST /x HTTP/1.1", "/x"),
    ],
)
def test_a_request_line_is_read_as_nginx_reads_it(first, target):
    assert nginx.read_head(first + b"\r\n" + HOST).target == target


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"post /x HTTP/1.1\r\n", 400),
        (b"POST x HTTP/1.1\r\n", 400),
        (b"POST * HTTP/1.1\r\n", 400),
        (b"POST http://u:p@h/x HTTP/1.1\r\n", 400),
        (b"POST http:///x HTTP/1.1\r\n", 400),
        (b"POST http://h:99999/x HTTP/1.1\r\n", 400),
        (b"POST /x\ty HTTP/1.1\r\n", 400),
        (b"POST /x y HTTP/1.1\r\n", 400),
        (b"POST /x http/1.1\r\n", 400),
        (b"POST /x HTTP/2.0\r\n", 505),
        (b"TRACE /x HTTP/1.1\r\n", 405),
        (b"POST /x HTTP/1.1\r\nA : b\r\n", 400),
        (b"POST /x HTTP/1.1\r\nA: b\r\n c\r\n", 400),
        (b"POST /x HTTP/1.1\r\nContent-Length: +1\r\n", 400),
        (b"POST /x HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n", 400),
        (b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n", 400),
        (b"POST /x HTTP/1.1\r\nTransfer-Encoding: identity, chunked\r\n", 501),
        (b"POST /x HTTP/1.0\r\nTransfer-Encoding: chunked\r\n", 400),
    ],
)
def test_what_is_not_clear_is_refused(raw, status):
    with pytest.raises(nginx.Refused) as refused:
        nginx.read_head(raw + HOST)

    assert refused.value.status == status


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/user/login", None),
        ("/%75ser", None),
        ("/x/../user", None),
        ("/x/..%2fuser", None),
        ("/../user", 400),
        ("/x/../../user", 400),
        ("/%2E%2E/user", 400),
        ("/x%00", 400),
        ("/x%zz", 400),
        ("/x%", 400),
        ("/x/.git/config", 403),
        ("/user/login/.php", 403),
        ("/.well-known/x", None),
    ],
)
def test_a_path_is_checked_but_passed_on_as_it_came(path, status):
    assert nginx.check_path(path) == status


def test_a_usual_request_goes_to_aiohttp_as_it_is():
    usual = b"POST /x?y HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"

    assert nginx.is_one_usual_request(usual)
    assert not nginx.is_one_usual_request(usual[:-1])
    assert not nginx.is_one_usual_request(usual + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert not nginx.is_one_usual_request(usual.replace(b"?y", b"#y"))
