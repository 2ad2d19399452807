"""How the simulated Drupal's PHP reads queries, bodies and headers, as measured at Drupal 10.6 and 11.4."""

import base64

import pytest

from gateway.demo.drupal import php

BODY = '--X\r\nContent-Disposition: form-data; name="a.b"\r\n\r\n1\r\n--X\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n2\r\n--X--\r\n'
ALICE = base64.b64encode(b"alice:alice-pass-1").decode()


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("a=1&a=2", {"a": "2"}),
        (".a=1", {"_a": "1"}),
        ("a.b+c=1", {"a_b_c": "1"}),
        ("+a=1", {"a": "1"}),
        ("a%00b=1", {"a": "1"}),
        ("%61=%62+c", {"a": "b c"}),
        ("a[b=1", {"a_b": "1"}),
        ("a[]=1&a[]=2", {"a[0]": "1", "a[1]": "2"}),
        ("a[b][c]=1", {"a[b][c]": "1"}),
        ("a=1&a[]=2", {"a[0]": "2"}),
        ("a[]=1&a=2", {"a": "2"}),
        ("a", {"a": ""}),
        ("=1&&", {}),
    ],
)
def test_a_query_is_read_as_php_reads_it(query, fields):
    assert php.parse_query(query) == fields


@pytest.mark.parametrize(
    ("content_type", "is_read"),
    [
        ("application/x-www-form-urlencoded", True),
        ("Application/X-WWW-Form-Urlencoded; charset=x", True),
        ("application/x-www-form-urlencoded, x", True),
        ("application/x-www-form-urlencodedx", False),
        ("application/x-www-form-urlencoded\t", False),
        ("text/plain", False),
        ("", False),
    ],
)
def test_the_type_of_a_body_decides_whether_it_has_fields(content_type, is_read):
    assert php.parse_body(b"a=1", content_type) == ({"a": "1"} if is_read else {})


@pytest.mark.parametrize("boundary", ["boundary=X", 'Boundary="X"', "boundary=X; boundary=Y", "boundary=X,y"])
@pytest.mark.parametrize("line_end", ["\r\n", "\n"])
def test_a_multipart_body_has_fields_but_its_files_are_none(boundary, line_end):
    body = BODY.replace("\r\n", line_end).encode()

    assert php.parse_body(body, f"multipart/form-data; {boundary}") == {"a_b": "1"}


def test_the_last_header_counts_and_underscores_do_not():
    received = [("Cookie", "a"), ("cookie", "b"), ("PHP_AUTH_USER", "x")]

    assert php.headers(received) == {"cookie": "b"}


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Basic {ALICE}"},
        {"authorization": f"bAsIc   {ALICE}=="},
        {"authorization": f"Basic {ALICE[:8]} {ALICE[8:]}"},
        {"php-auth-user": "alice", "php-auth-pw": "alice-pass-1"},
        {"php-auth-user": "alice", "php-auth-pw": "alice-pass-1", "authorization": "Bearer x"},
        {"php-auth-user": "bob", "php-auth-pw": "x", "authorization": f"Basic {ALICE}"},
    ],
)
def test_basic_credentials_have_many_spellings(headers):
    assert php.basic_credentials(headers) == ("alice", "alice-pass-1")


@pytest.mark.parametrize("header", [f"Basic\t{ALICE}", f"Basic,{ALICE}", ALICE, f"Token {ALICE}", "Basic YWxpY2U="])
def test_other_headers_are_no_basic_credentials(header):
    assert php.basic_credentials({"authorization": header}) is None


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"php-auth-digest": "Bearer x"}, "Bearer x"),
        ({"php-auth-digest": "Bearer x", "authorization": "y"}, "y"),
        ({"php-auth-digest": "Bearer x", "php-auth-user": "a"}, "Basic YTo="),
    ],
)
def test_symfony_takes_other_headers_for_authorization(headers, expected):
    assert php.authorization(headers) == expected
