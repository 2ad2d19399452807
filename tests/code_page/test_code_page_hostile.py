"""Requests that no form of the code page sends, and what others could try with it. Nothing of it makes a 500."""

from urllib.parse import urlencode

import pytest

from gateway.errors import Malformed
from gateway.web.site import code_form
from gateway.web.site.code_form import parse_form
from tests.code_page.code_site import LANDING, PATH, a_code_site, with_landing, without_one
from tests.wire import line
from tests.world import wrong

VERIFY = {"action": "verify", "otp": "123456"}


@pytest.fixture
def store():
    """What is refused here never reaches a store."""
    return {"kind": "memory"}


@pytest.fixture(autouse=True)
def _no_bug(events):
    yield
    assert [event for event in events if event["event"].endswith(".internal")] == []


async def attempts(browser):
    """How many wrong codes have been counted, by a form that the page accepts."""
    form = await browser.open(PATH)
    told = await browser.verify(form, "0")
    return 4 - int(told.alert.rpartition(" ")[2].rstrip("."))


# --- Other sites, other logins ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://localhost"},
        {"Origin": "http://localhost:1"},
        {"Origin": "https://localhost"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "same-origin, cross-site"},
        {"Origin": None, "Sec-Fetch-Site": "cross-site"},
        {"Origin": "null", "Sec-Fetch-Site": None},
        {"Origin": "https://evil.example", "Sec-Fetch-Site": None},
    ],
    ids=str,
)
async def test_a_form_of_another_page_is_refused_and_costs_no_attempt(site, browser, headers):
    form = await browser.begin()
    if headers.get("Origin") == "":
        headers = {"Origin": " "}
    told = await browser.post(form.fields("code") | VERIFY, headers=headers)

    assert told.status == 403
    assert told.title == "That did not work"
    assert await attempts(browser) == 0


@pytest.mark.parametrize(
    "headers",
    [{"Origin": None}, {"Sec-Fetch-Site": None}, {"Origin": None, "Sec-Fetch-Site": None}],
    ids=str,
)
async def test_a_browser_that_says_less_but_nothing_else_may_log_in(site, browser, headers):
    form = await browser.begin()
    fields = form.fields("code") | {"action": "verify", "otp": await site.world.code()}

    assert (await browser.post(fields, headers=headers)).headers["Location"] == LANDING


async def test_two_origins_are_no_origin(site, browser):
    form = await browser.begin()
    body = urlencode(form.fields("code") | VERIFY)
    head = [
        f"Cookie: {browser.cookie_header}",
        f"Origin: {site.url}",
        "Origin: https://evil.example",
        "Content-Type: application/x-www-form-urlencoded",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    told = await raw(site, "POST", head, body)

    assert b" 403 " in told


async def test_the_form_of_another_login_is_refused(site, browser, new_browser):
    own, other = await browser.begin(), await new_browser(site).begin("bob")
    told = await browser.post(own.fields("code") | {"form_token": other.fields("code")["form_token"]} | VERIFY)

    assert told.status == 403
    assert "out of date" in told.text("main")
    assert await attempts(browser) == 0


async def test_another_browser_can_not_finish_the_login_of_this_one(site, browser, new_browser):
    form = await browser.begin()
    right = await site.world.code()
    other = new_browser(site)
    theirs = await other.begin("bob")

    # With the form of the first browser and a cookie of its own, with no cookie, and with its own form.
    assert (await other.post(form.fields("code") | VERIFY | {"otp": right})).status == 403
    assert (await other.verify(theirs, right)).status == 403
    other.cookies.clear()
    assert (await other.verify(form, right)).status == 410
    assert (await browser.verify(form, right)).path == LANDING


@pytest.mark.parametrize("token", ["", "x", "é", "0" * 128])
async def test_a_made_up_token_is_refused(site, browser, token):
    form = await browser.begin()

    assert (await browser.post(form.fields("code") | VERIFY | {"form_token": token})).status == 403


async def test_a_form_without_a_token_is_refused(site, browser):
    form = await browser.begin()

    assert (await browser.post(without_one(form.fields("code"), "form_token") | VERIFY)).status == 403


async def test_a_cookie_that_was_changed_names_no_login(site, browser):
    form = await browser.begin()
    [(name, value)] = browser.cookies.items()
    for broken in (value[:-2], "B" + value[1:], value[::-1], "", "%00", "x" * 4000):
        browser.cookies[name] = broken
        assert (await browser.send("GET", PATH)).status == 410
        browser.cookies[name] = broken
        assert (await browser.verify(form, "123456")).status == 410


# --- What is no form -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ("{}&otp=654321", 400),
        ("{}&action=cancel", 400),
        ("{}&admin=1", 400),
        ("{}&otp", 400),
        ("{}%00", 400),
        ("{}%0a", 400),
        ("{}%1b%5b31m", 400),
        ("{}%ff", 400),
        ("{}%ed%a0%80", 400),
        ("{}%e2%80%ae", 400),
        ("{}" + "1" * 100, 400),
        ("{}" + "&a=b" * 9, 400),
        ("é{}", 400),
        ("", 400),
        ("{{}}", 400),
        ("{}" + "1" * 8192, 413),
    ],
)
async def test_what_no_form_sends_is_refused(site, browser, change, status):
    form = await browser.begin()
    body = change.format(urlencode(form.fields("code") | VERIFY))

    assert (await browser.post(body.encode())).status == status
    assert await attempts(browser) == 0


@pytest.mark.parametrize(
    "type",
    [
        "application/json",
        "text/plain",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded; charset=utf-7",
        "application/x-www-form-urlencoded;" + ";" * 2000,
    ],
)
async def test_another_type_is_refused(site, browser, type):
    form = await browser.begin()
    told = await browser.post(form.fields("code") | VERIFY, headers={"Content-Type": type})

    assert told.status == 415
    assert "JSON" not in told.text("main")


async def test_a_huge_body_is_refused_without_being_read(site, browser):
    form = await browser.begin()
    head = [
        f"Cookie: {browser.cookie_header}",
        f"Origin: {site.url}",
        "Content-Type: application/x-www-form-urlencoded",
        "Content-Length: 1000000000",
    ]

    assert b" 413 " in await raw(site, "POST", head, form.fields("code")["form_token"])


@pytest.mark.parametrize("action", ["", "login", "verify ", "VERIFY", "__class__"])
async def test_an_unknown_action_is_refused(site, browser, action):
    form = await browser.begin()

    assert (await browser.post(form.fields("code") | {"action": action, "otp": "1"})).status == 400


@pytest.mark.parametrize("otp", ["", " ", "\t"])
async def test_a_form_without_a_code_costs_no_attempt(site, browser, otp):
    form = await browser.begin()
    told = await browser.verify(form, otp)

    assert (told.status, told.alert) == (400, "Please type the code.")
    assert await attempts(browser) == 0


@pytest.mark.parametrize("method", ["SMS", "RECOVERY CODE", "NONE", "made up", "é"])
async def test_a_method_that_is_not_offered_is_refused(site, browser, method):
    form = await browser.begin()
    told = await browser.submit(form, "resend", action="switch", method=method)

    assert (told.status, told.alert) == (403, "This method is not available for this account.")


@pytest.mark.parametrize("shown", ["SMS", "made up", "é"])
async def test_a_form_that_shows_another_method_costs_no_attempt(site, browser, shown):
    form = await browser.begin()
    told = await browser.verify(form, wrong(await site.world.code()), shown=shown)

    assert "changed meanwhile" in told.alert
    assert await attempts(browser) == 0


@pytest.mark.parametrize("body", [b"", b"&", b"=", b"a", b"otp=%", b"\x00", b"\xff" * 100])
def test_bytes_that_are_no_form_are_malformed(body):
    with pytest.raises(Malformed):
        parse_form(body)


def test_every_field_has_a_limit():
    for name, most in code_form._FIELDS.items():
        with pytest.raises(Malformed):
            parse_form(f"{name}={'1' * (most + 1)}".encode())


# --- Methods, paths, landings ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"])
async def test_other_methods_are_refused(site, browser, method):
    await browser.begin()
    told = await browser.send(method, PATH)

    assert told.status == 405
    assert set(told.headers["Allow"].split(",")) == {"GET", "HEAD", "POST"}


async def test_head_answers_like_get_and_reads_no_note(site, browser):
    form = await browser.begin()
    await browser.post(form.fields("code") | VERIFY | {"otp": "0"})
    head = await browser.send("HEAD", PATH)
    shown = await browser.send("GET", PATH)

    assert (head.status, head.html) == (403, "")
    assert shown.alert.startswith("The code is wrong.")


@pytest.mark.parametrize(
    "landing",
    ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "", "/a\r\nX: y", "/é", "x"],
)
async def test_a_landing_that_is_no_path_of_this_site_becomes_the_front_page(site, browser, landing):
    form = await browser.begin()
    with_landing(site, browser, landing)
    answer = await browser.post(form.fields("code") | {"action": "verify", "otp": await site.world.code()})

    assert (answer.status, answer.headers["Location"]) == (303, "/")


@pytest.mark.parametrize("landing", ["//evil.example", "/a?b=c&d=<script>", "/\\evil.example"])
async def test_the_links_of_a_login_that_is_over_stay_on_this_site(site, browser, landing):
    await browser.begin()
    with_landing(site, browser, landing)
    site.world.clock.ahead = 400
    told = await browser.send("GET", PATH)

    assert told.status == 410
    assert told.attribute("main nav a", "href").partition("?")[0] == "/user/login"
    assert "<script>" not in told.html
    assert "destination=//" not in told.html


async def test_a_note_that_was_made_elsewhere_is_not_shown(site, browser):
    await browser.begin()
    browser.cookies["headgate-note"] = "d3JvbmdfY29kZQ=="
    shown = await browser.send("GET", PATH)

    assert (shown.status, shown.alert) == (200, "")


async def test_what_the_page_says_of_one_login_is_not_said_of_the_next(site, browser):
    form = await browser.begin()
    await browser.post(form.fields("code") | VERIFY | {"otp": "0"})

    assert (await browser.begin()).alert == ""


async def test_two_cookies_with_one_name_are_no_error(site, browser):
    await browser.begin()
    pair = browser.cookie_header
    told = await browser.send("GET", PATH, headers={"Cookie": f"{pair}; {pair.partition('=')[0]}=x; {pair}; ;=;a"})

    assert told.status == 200


# --- What may fail behind it -----------------------------------------------------------------------------------------


async def test_a_session_that_can_not_be_sealed_is_ended_and_nothing_leaves(site, browser, monkeypatch):
    form = await browser.begin()
    right = await site.world.code()

    def refuse(*_):
        raise ValueError("not a session id")

    monkeypatch.setattr(type(site.sealed), "in_line", refuse)
    told = await browser.verify(form, right)

    assert told.status == 502
    assert not [line for line in told.cookies if "SESS" in line]
    await site.world.eventually(lambda: not site.world.drupal.ledger.alive())


async def test_too_many_wrong_codes_of_one_address_are_told_with_the_time_to_wait(world, new_browser):
    async with a_code_site(world, flood={"codes": {"most": 2, "seconds": 600}}) as site:
        browser = new_browser(site)
        form = await browser.begin()
        for _ in range(3):
            told = await browser.verify(form, "0")

        assert told.status == 429
        assert int(told.headers["Retry-After"]) > 0
        assert told.alert.startswith("Too many attempts. Please wait and try again. Waiting time: ")


async def raw(site, method, head, body):
    """Send bytes, and return what came."""
    lines = [f"{method} {PATH} HTTP/1.1", "Host: localhost", *head, "", body]
    async with line(site.url) as open_line:
        await open_line.send("\r\n".join(lines).encode())
        return (await open_line.reply()).raw
