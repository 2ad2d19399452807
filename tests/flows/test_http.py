"""Below the API: methods, paths, malformed HTTP, CORS, and the listener for operators."""

import asyncio
import re

import pytest

from gateway.app import gateway
from gateway.demo.drupal.faults import Fault, Kind
from gateway.process import listening
from gateway.settings import Settings
from tests.wire import ask, assert_ours, line, post, request
from tests.world import KEY, SERVER_KEY

MARKER = "q7Zx-marker"
HEAD = f"POST /headless/authenticate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nX-Secret: {MARKER}\r\n"
ENDPOINTS = ["authenticate", "login", "resend", "status", "cancel", "logout", "totp/enroll", "totp/confirm"]
ENDPOINTS += ["totp/remove", "recovery-codes"]
VALID = {"username": "alice", "transactionID": "x" * 43, "authType": "EMAIL", "otp": "000000", "apiKey": KEY}
APP = "https://app.example.org"
FOR_SITE = b"GET /readyz?for=site HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture
def store():
    return {"kind": "memory"}


def raw(text, body=b""):
    return (HEAD + text).encode("latin-1") + b"\r\n" + body


MALFORMED = {
    "a chunk size that is no number": raw("Transfer-Encoding: chunked\r\n", b"ZZ\r\nabc\r\n0\r\n\r\n"),
    "a negative chunk size": raw("Transfer-Encoding: chunked\r\n", b"-5\r\nabc\r\n0\r\n\r\n"),
    "a chunk size of 2^64": raw("Transfer-Encoding: chunked\r\n", b"10000000000000000\r\nabc\r\n0\r\n\r\n"),
    "a chunk size with a sign": raw("Transfer-Encoding: chunked\r\n", b"+2\r\n{}\r\n0\r\n\r\n"),
    "a chunk size with 0x": raw("Transfer-Encoding: chunked\r\n", b"0x2\r\n{}\r\n0\r\n\r\n"),
    "a chunk that is longer than it says": raw("Transfer-Encoding: chunked\r\n", b"1\r\n{}\r\n0\r\n\r\n"),
    "an endless chunk extension": raw("Transfer-Encoding: chunked\r\n", b"2;" + b"a" * 20_000 + b"\r\n{}\r\n0\r\n\r\n"),
    "two different lengths": raw("Content-Length: 5\r\nContent-Length: 6\r\n", b"abcdef"),
    "the same length twice": raw("Content-Length: 2\r\nContent-Length: 2\r\n", b"{}"),
    "two lengths in one": raw("Content-Length: 2, 2\r\n", b"{}"),
    "a length and chunks": raw("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
    "chunks and a length": raw("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"0\r\n\r\n"),
    "an unknown transfer coding": raw("Transfer-Encoding: nonsense\r\n", b"abc"),
    "chunked, but not last": raw("Transfer-Encoding: chunked, identity\r\n", b"0\r\n\r\n"),
    "chunked twice": raw("Transfer-Encoding: chunked, chunked\r\n", b"0\r\n\r\n"),
    "chunked in quotes": raw('Transfer-Encoding: "chunked"\r\n', b"0\r\n\r\n"),
    "identity and a length": raw("Transfer-Encoding: identity\r\nContent-Length: 2\r\n", b"{}"),
    "a negative length": raw("Content-Length: -1\r\n"),
    "a length that is no number": raw("Content-Length: abc\r\n"),
    "a length with a sign": raw("Content-Length: +2\r\n", b"{}"),
    "a length of 2^80": raw("Content-Length: 1208925819614629174706176\r\n"),
    "an empty length": raw("Content-Length:\r\n", b"{}"),
    "a NUL in a header's name": raw("X-A\0b: c\r\n"),
    "a NUL in a header's value": raw("X-A: b\0c\r\nContent-Length: 2\r\n", b"{}"),
    "a bare CR in a header": raw("X-A: b\rX-B: c\r\nContent-Length: 2\r\n", b"{}"),
    "no colon": raw("X-A\r\n"),
    "a blank before the colon": raw("Content-Length : 2\r\n", b"{}"),
    "an empty header's name": raw(": b\r\nContent-Length: 2\r\n", b"{}"),
    "a folded header": raw("X-A: b\r\n c\r\nContent-Length: 2\r\n", b"{}"),
    "a header of 9 kB": raw(f"X-A: {'a' * 9_000}\r\n"),
    "two thousand headers": raw("".join(f"X-{n}: 1\r\n" for n in range(2_000)) + "Content-Length: 2\r\n", b"{}"),
    "LF alone": raw("Content-Length: 2\r\n", b"{}").replace(b"\r\n", b"\n"),
    "an absurd method": b"G" * 9_000 + f" /{MARKER} HTTP/1.1\r\n\r\n".encode(),
    "an unknown method": f"FOO /{MARKER} HTTP/1.1\r\nHost: a\r\n\r\n".encode(),
    "a method in lower case": f"post /headless/authenticate?{MARKER} HTTP/1.1\r\nHost: a\r\n\r\n".encode(),
    "a path of 9 kB": f"GET /{MARKER}{'a' * 9_000} HTTP/1.1\r\nHost: a\r\n\r\n".encode(),
    "a request line of one word": f"{MARKER}\r\n\r\n".encode(),
    "HTTP/2's preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/9.9": f"GET /{MARKER} HTTP/9.9\r\n\r\n".encode(),
    "HTTP without a number": f"GET /{MARKER} HTTP/\r\n\r\n".encode(),
    "a TLS hello": bytes.fromhex("16030100a5010000a10303") + bytes(40),
    "binary noise": bytes(range(256)) + b"\r\n\r\n",
    "an address that is none": f"GET http://[::1/{MARKER} HTTP/1.1\r\nHost: a\r\n\r\n".encode(),
    "an unknown expectation": raw("Expect: 200-nonsense\r\nContent-Length: 2\r\n", b"{}"),
    "a bad header after a good one": raw(f"Content-Length: 2\r\n{MARKER}\r\n", b"{}"),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_malformed_http_gets_our_json_and_nothing_of_it(served, what):
    before = served.drupal_calls

    reply = served.run(ask(served.world.url, MALFORMED[what]))

    assert reply.status == 400
    assert reply.code == "malformed"
    assert_ours(reply)
    assert MARKER.encode() not in reply.raw
    # A request id may hold four of them.
    assert b"aaaaa" not in reply.raw
    assert served.drupal_calls == before


@pytest.mark.parametrize("what", ["a chunk size that is no number", "no colon", "an unknown method", "a TLS hello"])
def test_the_listener_for_operators_answers_malformed_http_the_same(served, what):
    reply = served.run(ask(served.world.admin_url, MALFORMED[what]))

    assert (reply.status, reply.code) == (400, "malformed")
    assert_ours(reply)


def test_nothing_of_malformed_http_is_logged(served, events):
    for sent in MALFORMED.values():
        served.run(ask(served.world.url, sent))

    assert MARKER not in str(events)
    assert not [event for event in events if event["log_level"] in ("error", "critical")]
    assert {event["event"] for event in events} <= {
        "http.malformed",
        "authenticate.malformed",
        "authenticate.media_type",
    }


def test_after_malformed_http_the_connection_is_closed(served):
    """What follows may be the rest of it, or somebody else's request."""
    good = request("login", VALID)

    async def smuggle(first):
        async with line(served.world.url) as open_line:
            await open_line.send(first + good)
            return await open_line.rest()

    for what in (
        "two different lengths",
        "a length and chunks",
        "chunked, but not last",
        "a chunk size that is no number",
    ):
        answers = served.run(smuggle(MALFORMED[what]))
        assert len(re.findall(rb"HTTP/1\.[01] ", answers)) == 1, what


def test_http_0_9_is_no_way_in(served):
    async def exchange(sent):
        async with line(served.world.url) as open_line:
            await open_line.send(sent)
            open_line.finish()
            return await open_line.rest()

    answer = served.run(exchange(b"POST /headless/authenticate\r\n\r\n"))

    assert b"200" not in answer[:12]
    assert b"SUCCESS" not in answer


def test_a_client_that_expects_100_is_told_to_go_on(served):
    body = b'{"apiKey": "unknown"}'

    async def exchange():
        async with line(served.world.url) as open_line:
            await open_line.send(request("logout", b"", "Expect: 100-continue", length=len(body)))
            first = await open_line.reader.readuntil(b"\r\n\r\n")
            await open_line.send(body)
            return first, await open_line.reply()

    first, reply = served.run(exchange())

    assert first == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert reply.code == "api_key"


def test_requests_one_after_the_other_on_one_connection_are_answered_in_order(served):
    async def exchange():
        async with line(served.world.url) as open_line:
            await open_line.send(request("login", VALID) + request("login", {}) + request("logout", {"apiKey": KEY}))
            return [(await open_line.reply()).status for _ in range(3)]

    assert served.run(exchange()) == [403, 400, 200]


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])
def test_another_method_is_405_and_says_which_is_right(served, method):
    for endpoint in ENDPOINTS:
        reply = served.run(post(served.world.url, endpoint, b"", method=method))
        assert (reply.status, reply.code) == (405, "method")
        assert "POST" in reply.headers["Allow"]
        assert_ours(reply)
        assert "username" not in reply.body


def test_head_has_the_headers_of_the_refusal_and_no_body(served):
    async def exchange():
        async with line(served.world.url) as open_line:
            await open_line.send(b"HEAD /headless/login HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            return await open_line.rest()

    answer = served.run(exchange())

    assert answer.startswith(b"HTTP/1.1 405 ")
    assert b"X-Answered-By: headgate" in answer
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/headless",
        "/headless/",
        "/headless/nothing",
        "/headless/login/",
        "/user/login",
        "//headless/login",
        "/%zz",
        "/livez",
    ],
)
def test_another_path_is_404_in_our_json(served, path):
    reply = served.run(ask(served.world.url, f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n".encode()))

    assert reply.status == 404
    assert_ours(reply)


def test_a_page_whose_name_no_file_can_have_is_404(served):
    path = f"/headless/docs/{'a' * 300}.js"

    reply = served.run(ask(served.world.url, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()))

    assert (reply.status, reply.code) == (404, "not_found")


def test_a_method_cannot_be_overridden(served):
    reply = served.run(post(served.world.url, "login", VALID, "X-HTTP-Method-Override: POST", method="GET"))

    assert reply.code == "method"


def test_request_ids_are_ours_and_every_one_another(served):
    ids = set()
    for _ in range(20):
        reply = served.run(post(served.world.url, "login", VALID, "X-Request-ID: mine", f"Traceparent: 00-{'a' * 32}"))
        ids.add(reply.headers["X-Request-ID"])

    assert len(ids) == 20
    assert "mine" not in ids


class TestOrderOfChecks:
    """enabled → method, type, size → shape → apiKey → origin: the first that fails answers."""

    FOREIGN = "Origin: https://evil.example"
    HUGE = b"x" * (16 * 1024 + 1)

    @pytest.mark.parametrize("endpoint", ["authenticate", "login"])
    async def test_switched_off_comes_before_everything(self, world, endpoint):
        async with world.open_gateway(headless={"enabled": False}):
            for how in ({}, {"method": "GET"}, {"content_type": "text/plain"}, {"method": "OPTIONS"}):
                reply = await post(world.url, endpoint, self.HUGE, self.FOREIGN, **how)
                assert (reply.status, reply.code) == (404, "disabled")
                assert_ours(reply)

    @pytest.mark.parametrize("endpoint", ["authenticate", "login"])
    def test_each_comes_before_the_next(self, served, endpoint):
        password = {"password": "nope"}
        wrong = VALID | password | {"apiKey": "unknown"}
        cases = [
            ("method", self.HUGE, {"method": "PUT", "content_type": "text/plain"}),
            ("media_type", self.HUGE, {"content_type": "text/plain"}),
            ("too_large", self.HUGE, {}),
            ("malformed", wrong | {"username": 1}, {}),
            ("api_key", wrong, {}),
            ("origin", VALID | password, {}),
        ]

        told = [served.run(post(served.world.url, endpoint, body, self.FOREIGN, **how)).code for _, body, how in cases]

        assert told == [code for code, *_ in cases]


class TestOrigins:
    def test_a_page_of_somebody_else_is_refused_and_may_not_read_why(self, served):
        for origin in (
            "https://evil.example",
            "null",
            "https://app.example.org.evil.example",
            "http://app.example.org",
            f"{APP}:444",
            "",
        ):
            reply = served.run(post(served.world.url, "login", VALID, f"Origin: {origin}"))
            assert (reply.status, reply.code) == (403, "origin"), origin
            assert not [name for name in reply.headers if name.startswith("Access-Control-")]
            assert reply.headers["Vary"] == "Origin"

    @pytest.mark.parametrize("origin", ["http://[", "http://[::1", "http://a]b", "http://\N{ACCOUNT OF}"])
    def test_an_origin_that_is_no_url_is_a_foreign_one(self, served, origin):
        reply = served.run(post(served.world.url, "status", VALID, f"Origin: {origin}"))

        assert (reply.status, reply.code) == (403, "origin")

    def test_a_page_of_the_client_may_read_every_answer(self, served):
        for body in (VALID, {}, VALID | {"apiKey": "unknown"}):
            reply = served.run(post(served.world.url, "login", body, f"Origin: {APP}"))
            assert reply.headers["Access-Control-Allow-Origin"] == APP
            assert reply.headers["Access-Control-Allow-Credentials"] == "true"
            assert reply.headers["Vary"] == "Origin"
            assert "Retry-After" in reply.headers["Access-Control-Expose-Headers"]

    def test_a_page_of_the_client_may_read_refusals_of_http_too(self, served):
        for how in ({"content_type": "text/plain"}, {"method": "PUT"}):
            reply = served.run(post(served.world.url, "login", VALID, f"Origin: {APP}", **how))
            assert reply.headers["Access-Control-Allow-Origin"] == APP

    def test_the_gateways_own_page_is_welcome(self, served):
        reply = served.run(post(served.world.url, "login", VALID, "Origin: http://localhost"))

        assert reply.code == "transaction_closed"

    def test_no_origin_is_no_browser(self, served):
        assert served.run(post(served.world.url, "login", VALID)).code == "transaction_closed"

    def test_a_server_side_frontend_has_no_origin_of_its_own(self, served):
        reply = served.run(
            post(served.world.url, "login", VALID | {"apiKey": SERVER_KEY}, "Origin: https://evil.example")
        )

        assert reply.code == "transaction_closed"

    async def test_with_a_public_url_only_that_is_the_own_origin(self, world):
        async with world.open_gateway(public_url="https://www.example.org", drupal={"public_url": "http://localhost"}):
            own = await post(world.url, "login", VALID, "Origin: https://www.example.org")
            by_host = await post(world.url, "login", VALID, "Origin: http://localhost")

        assert own.code == "transaction_closed"
        assert by_host.code == "origin"

    def test_preflight_is_answered_for_the_clients_pages_alone(self, served):
        ask_for = "Access-Control-Request-Method: POST"
        for endpoint in ENDPOINTS:
            allowed = served.run(post(served.world.url, endpoint, b"", f"Origin: {APP}", ask_for, method="OPTIONS"))
            foreign = served.run(
                post(served.world.url, endpoint, b"", "Origin: https://evil.example", ask_for, method="OPTIONS")
            )
            assert allowed.status == 204
            assert allowed.headers["Access-Control-Allow-Origin"] == APP
            assert allowed.headers["Access-Control-Allow-Methods"] == "POST"
            assert allowed.headers["Access-Control-Allow-Headers"].lower() == "content-type"
            assert allowed.headers["Access-Control-Allow-Credentials"] == "true"
            assert allowed.headers["X-Answered-By"] == "headgate"
            assert len(allowed.headers["X-Request-ID"]) == 16
            assert (foreign.status, foreign.code) == (405, "method")
            assert not [name for name in foreign.headers if name.startswith("Access-Control-")]


@pytest.mark.parametrize(("public_url", "code"), [(None, "transaction_closed"), ("https://www.example.org", "origin")])
async def test_only_with_a_public_url_a_page_can_not_give_the_gateway_a_name_of_its_own(world, public_url, code):
    """DNS rebinding: `evil.test` leads to the gateway, and so the browser sends it as Host and as Origin."""
    rebound = request("status", VALID, "Origin: http://evil.test").replace(b"Host: localhost", b"Host: evil.test")
    async with world.open_gateway(public_url=public_url) as frontend:
        reply = await ask(frontend.url, rebound)

    assert reply.code == code


class TestTheListenerForOperators:
    def test_livez_and_readyz(self, served):
        live = served.run(ask(served.world.admin_url, b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"))
        ready = served.run(ask(served.world.admin_url, b"GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n"))

        assert (live.status, live.body["status"]) == (200, "ok")
        assert (ready.status, ready.body["status"], ready.body["store"]) == (200, "ok", "ok")
        assert live.headers["X-Answered-By"] == "headgate"

    def test_it_answers_nothing_else(self, served):
        for path in ("/", "/headless/login", "/headless/authenticate"):
            reply = served.run(
                ask(served.world.admin_url, f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n".encode())
            )
            assert reply.status == 404
            assert_ours(reply)

    async def test_without_its_store_it_is_alive_but_not_ready(self, redis_server, drupal_options):
        from tests.world import a_world

        store = {"kind": "redis", "url": redis_server.url, "timeout_seconds": 0.5}
        async with a_world(store=store, drupal=drupal_options) as world, world.open_gateway():
            redis_server.stop()
            ready = await ask(world.admin_url, b"GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n")
            for_site = await ask(world.admin_url, FOR_SITE)
            live = await ask(world.admin_url, b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
            await asyncio.to_thread(redis_server.start)
            again = await ask(world.admin_url, b"GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n")

        assert (ready.status, ready.body["status"], ready.body["store"]) == (503, "not_ready", "unavailable")
        assert live.status == 200
        # What was reached is told all the same.
        assert (for_site.status, for_site.body["status"], for_site.body["store"]) == (200, "ok", "unavailable")
        assert again.status == 200

    async def test_a_process_that_stops_is_not_ready_for_the_site_either(self, world):
        settings = Settings.model_validate(world.configuration())
        async with gateway(settings) as opened, listening(opened.admin, "127.0.0.1", 0, seconds=1) as port:
            before = await ask(f"http://localhost:{port}", FOR_SITE)
            opened.running.stopping = True
            after = await ask(f"http://localhost:{port}", FOR_SITE)

        assert (before.status, after.status, after.body["status"]) == (200, 503, "stopping")

    @pytest.mark.parametrize("query", ["for=", "for=nothing", "for=site&for=site", "for=site%20", "for=%00"])
    def test_it_is_ready_for_nothing_else(self, served, query):
        reply = served.run(ask(served.world.admin_url, f"GET /readyz?{query} HTTP/1.1\r\nHost: a\r\n\r\n".encode()))

        assert (reply.status, reply.code) == (400, "malformed")
        assert_ours(reply)

    async def test_of_drupal_it_says_nothing_before_it_has_answered(self, world, frontend):
        async def state():
            return (await ask(world.admin_url, b"GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n")).body["drupal"]

        assert await state() == "unknown"
        world.drupal.fault = Fault(kind=Kind.DROP)
        await frontend.authenticate()
        assert await state() == "unknown"
        world.drupal.fault = None
        await frontend.authenticate()
        assert await state() == "ok"
