"""/headless/challenge, as a browser without scripts uses it."""

import asyncio
from urllib.parse import urlencode

import aiohttp
import pytest

from gateway.login.flow import LoginFlow
from gateway.web.site.sealed_cookies import Kind
from tests.code_page.code_site import LANDING, PATH, a_code_site
from tests.wire import line
from tests.world import code_in, wrong


async def code(site, number=1):
    return await site.world.code(number)


async def test_a_right_code_leads_to_the_page_that_the_login_was_for(site, browser):
    form = await browser.begin()
    landed = await browser.verify(form, await code(site))

    session = site.session_of(browser)
    assert (landed.status, landed.path) == (200, LANDING)
    assert (session.kind, session.uid) == (Kind.PROVEN, "2")
    assert abs(session.since - site.world.clock()) < 5
    # Neither the login nor what the page said stays.
    assert len(browser.cookies) == 1


async def test_the_sealed_session_is_the_one_that_drupal_opened_and_it_stays_open(site, browser):
    await browser.verify(await browser.begin(), await code(site))
    await site.world.answers_handed_over()
    [name] = browser.cookies
    cookie = f"{name}={site.session_of(browser).id}"
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{site.world.drupal_url}/user/login_status?_format=json", headers={"Cookie": cookie}) as answer,
    ):
        assert await answer.text() == "1"


async def test_a_wrong_code_is_told_once_and_the_right_one_still_works(site, browser):
    form = await browser.begin()
    right = await code(site)
    told = await browser.verify(form, wrong(right))

    assert told.status == 403
    assert told.alert == "The code is wrong. Attempts left: 4."
    assert told.title.startswith("The code is wrong.")
    assert told.attribute("#otp", "aria-invalid") == "true"
    assert "alert" in told.attribute("#otp", "aria-describedby")

    reloaded = await browser.open(PATH)

    assert (reloaded.status, reloaded.alert) == (200, "")
    assert (await browser.verify(reloaded, right)).path == LANDING


@pytest.mark.parametrize("typed", ["{} {}", "{}-{}", " {}{}\t", "{} - {}"])
async def test_a_code_may_be_pasted_with_separators(site, browser, typed):
    form = await browser.begin()
    right = await code(site)

    assert (await browser.verify(form, typed.format(right[:3], right[3:]))).path == LANDING


async def test_the_last_wrong_code_ends_the_login(site, browser):
    form = await browser.begin()
    right = await code(site)
    for _ in range(5):
        told = await browser.verify(form, wrong(right))

    assert told.status == 410
    assert "last attempt" in told.text("main")
    assert told.attribute("main nav a", "href") == "/user/login?destination=/landing%3Ffrom%3Dlogin"
    assert browser.cookies == {}


async def test_a_resend_sends_the_same_code_and_says_so(site, browser):
    form = await browser.begin()
    first = await code(site)
    told = await browser.submit(form, "resend", action="resend")

    assert told.text("[role=status]") == "Sent again. It is the same code."
    assert await code(site, 2) == first
    assert (await browser.verify(told, first)).path == LANDING


async def test_a_resend_too_soon_is_told_with_the_time_to_wait(world, new_browser):
    async with a_code_site(world, code={"resend_wait_seconds": 60}) as site:
        browser = new_browser(site)
        form = await browser.begin()
        told = await browser.submit(form, "resend", action="resend")

        assert "Possible again in" in form.text("#resend")
        assert told.status == 429
        assert 55 <= int(told.headers["Retry-After"]) <= 60
        assert told.alert.startswith("Please wait before asking for another code. Waiting time: ")
        assert " autofocus " in told.html


async def test_no_resend_is_offered_when_none_is_left(world, new_browser):
    async with a_code_site(world, code={"resend_wait_seconds": 0, "resends": 1}) as site:
        browser = new_browser(site)
        told = await browser.submit(await browser.begin(), "resend", action="resend")

        assert told.text("#resend") == "No further code can be sent for this login."


async def test_cancel_ends_the_login_and_says_so(site, browser):
    form = await browser.begin()
    right = await code(site)
    before = dict(browser.cookies)
    told = await browser.submit(form, "cancel", action="cancel")

    assert (told.status, told.text("main p")) == (200, "The login was cancelled.")
    assert told.attribute("main nav a", "href") == "/user/login"
    browser.cookies = before
    assert (await browser.verify(form, right)).status == 410


async def test_an_expired_login_says_so_and_forgets_its_cookie(site, browser):
    form = await browser.begin()
    right = await code(site)
    site.world.clock.ahead = 301

    assert (await browser.send("GET", PATH)).status == 410
    assert browser.cookies == {}
    assert (await browser.verify(form, right)).status == 410


async def test_a_login_that_expires_after_a_wrong_code_is_not_said_to_have_had_its_last(site, browser):
    form = await browser.begin()
    await browser.post(form.fields("code") | {"action": "verify", "otp": "0"})
    site.world.clock.ahead = 301
    told = await browser.open(PATH)

    assert told.text("main p") == "This login is no longer open. Please start again."


async def test_a_browser_without_a_login_is_told_so(site, browser):
    told = await browser.open(PATH)

    assert told.status == 410
    assert told.title == "This login is over"


async def test_going_back_after_the_login_says_that_it_is_done(site, browser):
    await browser.verify(await browser.begin(), await code(site))
    told = await browser.open(PATH)

    assert (told.status, told.title) == (200, "You are logged in")


async def test_a_mail_that_can_not_be_delivered_is_told(site, browser):
    site.world.mailbox.answers["RCPT"] = "550 5.1.1 no such user"
    told = await browser.begin()
    while "on its way" in told.text("#asks"):
        told = await browser.open(PATH)

    assert told.text("#asks").startswith("The code could not be delivered to a•••@")


async def test_the_code_is_in_no_url_and_the_page_shows_no_id(site, browser):
    form = await browser.begin()
    id = site.own.challenge_in(browser.cookies).id
    right = code_in(await site.world.mailbox.mail(1))
    answer = await browser.post(form.fields("code") | {"action": "verify", "otp": right})

    assert id not in form.html
    assert (answer.status, answer.headers["Location"]) == (303, LANDING)
    assert answer.html == ""


async def test_the_page_may_be_framed_stored_or_scripted_by_nobody(site, browser):
    form = await browser.begin()

    policy = form.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert {"form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"} <= set(policy.split("; "))
    assert form.headers["Cache-Control"] == "no-store"
    assert form.headers["X-Frame-Options"] == "DENY"
    assert form.headers["X-Content-Type-Options"] == "nosniff"
    assert form.headers["Referrer-Policy"] == "same-origin"
    assert "style=" not in form.html
    assert "<style" not in form.html


async def test_no_client_of_the_api_may_read_the_page(site, browser):
    await browser.begin()
    told = await browser.send("GET", PATH, headers={"Origin": "https://app.example.org"})

    assert told.status == 200
    assert not [name for name in told.headers if name.startswith("Access-Control")]


async def test_what_the_page_loads_has_a_name_that_changes_with_it(site, browser):
    form = await browser.begin()
    style = await browser.send("GET", form.attribute("link[rel=stylesheet]", "href"))
    script = await browser.send("GET", form.attribute("script", "src"))

    assert (style.status, style.headers["Content-Type"]) == (200, "text/css; charset=utf-8")
    assert (script.status, script.headers["Content-Type"]) == (200, "text/javascript; charset=utf-8")
    assert "immutable" in style.headers["Cache-Control"]
    for name in ("code.css", "..%2Fcode_page.py", "code.html.j2", "%00", "x" * 5000):
        assert (await browser.send("GET", f"{PATH}/{name}")).status == 404


@pytest.mark.parametrize(("language", "direction", "word"), [("de", "ltr", "Anmelden"), ("ar", "rtl", "تسجيل الدخول")])
async def test_the_page_speaks_the_visitors_language(site, new_browser, language, direction, word):
    browser = new_browser(site, language=language)
    form = await browser.begin()

    assert (form.attribute("html", "lang"), form.attribute("html", "dir")) == (language, direction)
    assert form.headers["Content-Language"] == language
    assert form.text("#code button") == word


async def test_every_form_ends_in_one_event(site, browser, events):
    form = await browser.begin()
    right = await code(site)
    await browser.verify(form, wrong(right))
    await browser.submit(form, "resend", action="resend")
    await browser.post({"action": "verify"})
    await browser.verify(form, right)

    told = [event for event in events if event["event"].startswith("challenge.")]
    assert [event["event"] for event in told] == [
        "challenge.wrong_otp",
        "challenge.ok",
        "challenge.origin",
        "challenge.ok",
    ]
    assert [event.get("action") for event in told] == ["verify", "resend", "verify", "verify"]
    assert all(event["client"] == "guard" for event in told)
    assert told[0]["attempts_left"] == 4
    assert told[-1]["uid"] == "2"
    assert right not in str(events)


@pytest.mark.parametrize(
    "landing", ["/oauth/authorize?state=%22%3E", "/de/oauth2/authorize", "/index.php/OAuth/authorize"]
)
async def test_a_login_for_another_site_is_led_on_by_a_page(site, browser, landing):
    form = await browser.begin(landing=landing)
    answer = await browser.post(form.fields("code") | {"action": "verify", "otp": await code(site)})

    assert (answer.status, answer.title) == (200, "You are logged in")
    assert answer.attribute("meta[http-equiv=refresh]", "content") == f"0; url={landing}"
    assert answer.attribute("main nav a", "href") == landing
    assert site.session_of(browser).kind is Kind.PROVEN


async def test_at_an_https_site_every_cookie_is_for_its_host_alone(world, new_browser):
    public = "https://www.example.org"
    async with a_code_site(world, public=public, policy={"remember": {"days": 30}}) as site:
        browser = new_browser(site)
        form = await browser.begin()
        fields = form.fields("code") | {"action": "verify", "otp": "0"}
        refused = await browser.post(fields, headers={"Origin": site.url})
        noted = await browser.post(fields, headers={"Origin": public})
        won = await browser.post(fields | {"otp": await code(site), "remember": "1"}, headers={"Origin": public})

    own = [line for line in [*noted.cookies, *won.cookies] if "headgate" in line]
    assert (refused.status, noted.status, won.status) == (403, 303, 303)
    assert len(own) == 3
    assert all(line.startswith("__Host-headgate-") for line in own)
    assert all({"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(line.split("; ")) for line in own)


async def test_a_locked_account_is_told_on_a_page(site, browser):
    for _ in range(2):
        form = await browser.begin()
        for _ in range(5):
            await browser.verify(form, "0")
    told = await browser.begin()

    assert (told.status, told.title) == (429, "That did not work")
    assert told.text("main p") == "Too many wrong codes. This account is locked for now."
    assert int(told.headers["Retry-After"]) > 0


# --- Remembered devices ----------------------------------------------------------------------------------------------

REMEMBER = {"policy": {"remember": {"days": 30}}}


async def test_a_device_that_is_remembered_is_not_asked_again(world, new_browser):
    async with a_code_site(world, **REMEMBER) as site:
        browser = new_browser(site)
        form = await browser.begin()
        answer = await browser.post(
            form.fields("code") | {"action": "verify", "otp": await code(site), "remember": "1"}
        )
        [line] = [line for line in answer.cookies if "device" in line]

        assert "Remember this device" in form.text("#code")
        assert {"HttpOnly", "SameSite=Lax", "Path=/", f"Max-Age={30 * 86_400}"} <= set(line.split("; "))
        assert (await browser.open("/begin")).html == "remembered"


async def test_a_device_is_remembered_only_if_the_user_says_so(world, new_browser):
    async with a_code_site(world, **REMEMBER) as site:
        browser = new_browser(site)
        await browser.verify(await browser.begin(), await code(site))

        assert not [name for name in browser.cookies if "device" in name]


async def test_no_device_is_remembered_where_policy_does_not_allow_it(site, browser):
    form = await browser.begin()
    await browser.verify(form, await code(site), remember="1")

    assert "Remember" not in form.text("#code")
    assert len(browser.cookies) == 1


# --- The API off, the store away, a browser that leaves ----------------------------------------------------------------


async def test_the_page_works_where_the_api_is_switched_off(world, new_browser):
    async with a_code_site(world, headless={"enabled": False}) as site:
        browser = new_browser(site)
        landed = await browser.verify(await browser.begin(), await code(site))

        assert landed.path == LANDING
        assert (await browser.send("GET", "/headless/status")).status == 404


@pytest.mark.parametrize("how", ["FIN", "RST"])
async def test_a_browser_that_leaves_before_the_redirect_leaves_no_session(site, browser, events, how, monkeypatch):
    form = await browser.begin()
    body = urlencode(form.fields("code") | {"action": "verify", "otp": await code(site)})
    reached, go_on = asyncio.Event(), asyncio.Event()
    login = LoginFlow.login

    async def held(*arguments, **named):
        reached.set()
        await go_on.wait()
        return await login(*arguments, **named)

    monkeypatch.setattr(LoginFlow, "login", held)
    head = [
        f"POST {PATH} HTTP/1.1",
        "Host: localhost",
        f"Cookie: {browser.cookie_header}",
        f"Origin: {site.url}",
        "Content-Type: application/x-www-form-urlencoded",
        f"Content-Length: {len(body)}",
    ]
    async with line(site.url) as open_line:
        await open_line.send(("\r\n".join(head) + "\r\n\r\n" + body).encode())
        await reached.wait()
        open_line.writer.close() if how == "FIN" else open_line.reset()
        await asyncio.sleep(0.05)
        go_on.set()
        await site.world.eventually(lambda: [one for one in events if one["event"] == "challenge.client_gone"])

    await site.world.eventually(lambda: not site.world.drupal.ledger.alive())


@pytest.mark.parametrize("store", ["redis"], indirect=True)
async def test_while_the_store_is_away_the_page_says_so_and_leads_back_to_the_form(site, browser, redis_server):
    form = await browser.begin()
    right = await code(site)
    redis_server.stop()
    answer = await browser.post(form.fields("code") | {"action": "verify", "otp": right})
    told = await browser.open(answer.headers["Location"])

    assert answer.status == 303
    assert (told.status, told.title) == (503, "That did not work")
    assert int(told.headers["Retry-After"]) > 0
    assert told.attribute("main nav a", "href") == PATH
