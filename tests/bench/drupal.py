"""A Drupal that costs nearly nothing, so that what stands in front of it is measured: `python -m tests.bench.drupal`.

It knows the login, a user through JSON:API and the logout. The digits of a name are its uid, any password is right.
"""

import asyncio
import json
import re

from tests.bench.processes import say_and_serve

UID = re.compile(rb'"name": ?"[^"]*?(\d+)"')
ASKED_UID = re.compile(rb"drupal_internal__uid%5D=(\d+)")
# What a Drupal says around every answer (recorded, 11.4).
HEAD = (
    b"Date: Tue, 24 Nov 2026 04:00:00 GMT\r\nServer: Apache/2.4.62 (Debian)\r\nX-Powered-By: PHP/8.3.10\r\n"
    b"Cache-Control: must-revalidate, no-cache, private\r\nContent-language: en\r\nX-Content-Type-Options: nosniff\r\n"
    b"X-Frame-Options: SAMEORIGIN\r\nExpires: Sun, 19 Nov 1978 05:00:00 GMT\r\nX-Generator: Drupal 11\r\n"
)
COOKIE = "SESS" + "a1b2c3d4" * 4


def login(uid: str) -> bytes:
    body = {
        "current_user": {"uid": uid, "name": f"user{uid}"},
        "csrf_token": "Jx0mZ3H1n5yq0VvXw2rU8sT4kP6bD7eF9gA1cB3dE5f",
        "logout_token": "q0VvXw2rU8sT4kP6bD7eF9gA1cB3dE5fJx0mZ3H1n5y",
    }
    cookie = f"Set-Cookie: {COOKIE}=cookie%2Cof{uid:0>24}; expires=Thu, 17 Dec 2026 07:33:20 GMT; Max-Age=2000000; path=/; domain=.example.org; HttpOnly; SameSite=Lax\r\n"
    return answer(b"200 OK", b"application/json", json.dumps(body).encode(), cookie.encode())


def user(uid: str) -> bytes:
    link = f"http://www.example.org/jsonapi/user/user/7f8a2f4e-5f0e-4b0e-9a5f-{uid:0>12}"
    item = {
        "type": "user--user",
        "id": f"7f8a2f4e-5f0e-4b0e-9a5f-{uid:0>12}",
        "links": {"self": {"href": link}},
        "attributes": {
            "display_name": f"user{uid}",
            "drupal_internal__uid": int(uid),
            "langcode": "en",
            "preferred_langcode": "en",
            "preferred_admin_langcode": None,
            "name": f"user{uid}",
            "mail": f"user{uid}@example.org",
            "timezone": "UTC",
            "created": "2026-01-01T00:00:00+00:00",
            "changed": "2026-01-01T00:00:00+00:00",
            "default_langcode": True,
        },
        "relationships": {"roles": {"data": [], "links": {"self": {"href": f"{link}/relationships/roles"}}}},
    }
    document = {"jsonapi": {"version": "1.1"}, "data": [item], "links": {"self": {"href": link}}}
    return answer(b"200 OK", b"application/vnd.api+json", json.dumps(document).encode())


def answer(status: bytes, kind: bytes, body: bytes, more: bytes = b"") -> bytes:
    return b"HTTP/1.1 %b\r\n%b%bContent-Type: %b\r\nContent-Length: %d\r\n\r\n%b" % (
        status,
        HEAD,
        more,
        kind,
        len(body),
        body,
    )


def answer_to(head: bytes, body: bytes) -> bytes:
    if head.startswith(b"POST /user/login"):
        match = UID.search(body)
        assert match
        return login(match[1].decode())
    if head.startswith(b"GET /jsonapi/"):
        match = ASKED_UID.search(head)
        assert match
        return user(match[1].decode())
    if head.startswith(b"POST /user/logout"):
        return b"HTTP/1.1 204 No Content\r\n%b\r\n" % HEAD
    return answer(b"404 Not Found", b"text/html", b"")


class Connection(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
        self.received = b""

    def data_received(self, data):
        self.received += data
        while (end := self.received.find(b"\r\n\r\n")) >= 0:
            head = self.received[:end]
            match = re.search(rb"(?i)content-length: *(\d+)", head)
            length = int(match[1]) if match else 0
            if len(self.received) < end + 4 + length:
                return
            body, self.received = self.received[end + 4 : end + 4 + length], self.received[end + 4 + length :]
            self.transport.write(answer_to(head, body))


if __name__ == "__main__":
    say_and_serve(http=Connection)
