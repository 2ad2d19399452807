"""The code page in Chromium, with and without scripts."""

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.browser.code_page_states import WAITING, a_site, begin, choose, enrolled, press, states, submit
from tests.browser.contrast import CONTRAST
from tests.browser.demo_states import watch
from tests.browser.test_demo_states import ENOUGH, OUTSIDE
from tests.code_page.code_site import PATH
from tests.flows.apps import STEP, app_code
from tests.world import wrong

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(loop_scope="module")
async def site():
    async with a_site() as opened:
        yield opened


def alert(page):
    return page.get_by_role("alert")


async def on_the_site(page):
    await page.get_by_role("heading", name="The site").wait_for()


# --- The ways to log in ----------------------------------------------------------------------------------------------


async def test_the_keyboard_alone_logs_in_after_a_wrong_code(site, page):
    problems = watch(page)
    right = await begin(page, site)
    await expect(page.locator("#otp")).to_be_focused()
    await page.keyboard.type(wrong(right))
    async with page.expect_navigation():
        await page.keyboard.press("Enter")

    await expect(alert(page)).to_have_text("The code is wrong. Attempts left: 4.")
    assert await page.title() == "The code is wrong. Attempts left: 4. · Enter your code · Example"
    await expect(page.locator("#otp")).to_be_focused()
    await page.keyboard.type(f"{right[:3]} {right[3:]}")
    await page.keyboard.press("Enter")
    await on_the_site(page)

    assert page.url == f"{site.url}/landing?from=login"
    assert problems == []


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
async def test_a_resend_another_way_and_the_app(site, new_page, scripts):
    person = await enrolled(site)
    page = await new_page(java_script_enabled=scripts)
    await begin(page, site)
    await press(page, "#resend button")
    await expect(page.get_by_role("status")).to_have_text("Sent again. It is the same code.")
    await choose(page, "GOOGLE AUTHENTICATOR")
    await expect(page.get_by_label("Code of the app")).to_be_focused()
    await submit(page, app_code(person.secret, site.world.clock()))

    await on_the_site(page)


async def test_a_recovery_code_logs_in(site, page):
    person = await enrolled(site)
    await begin(page, site)
    await choose(page, "RECOVERY CODE")
    await expect(page.get_by_label("Recovery code")).to_have_attribute("autocomplete", "off")
    await submit(page, person.codes[0].lower())

    await on_the_site(page)


async def test_a_remembered_device_is_not_asked_again(site, page):
    right = await begin(page, site)
    await page.get_by_label("Remember this device").check()
    await submit(page, right)
    await on_the_site(page)
    await page.goto(f"{site.url}/begin")

    assert await page.locator("body").inner_text() == "remembered"


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
async def test_cancel_ends_the_login(site, new_page, scripts):
    page = await new_page(java_script_enabled=scripts)
    await begin(page, site)
    await page.get_by_role("button", name="Cancel the login").click()
    await page.get_by_text("The login was cancelled.").wait_for()
    await page.get_by_role("link", name="Log in again").click()

    assert page.url == f"{site.url}/user/login"


async def test_the_whole_login_works_without_scripts(site, new_page):
    page = await new_page(java_script_enabled=False)
    right = await begin(page, site)
    await submit(page, wrong(right))
    await expect(alert(page)).to_have_text("The code is wrong. Attempts left: 4.")
    await expect(page.locator("#otp")).to_be_focused()
    await submit(page, right)

    await on_the_site(page)


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
async def test_a_login_for_another_site_leads_there(site, new_page, scripts):
    page = await new_page(java_script_enabled=scripts)
    await page.goto(site.url)
    await submit(page, await begin(page, site, "?landing=/oauth/authorize?client_id=1%26state=2"))
    await on_the_site(page)

    assert page.url.startswith("http://127.0.0.1:")
    assert page.url.endswith("from=elsewhere")


async def test_a_site_that_leads_elsewhere_leaves_a_page_that_says_that_the_login_is_done(site, page):
    await page.locator("#otp").fill(await begin(page, site, "?landing=/away"))
    await page.locator("#code button").click()

    await page.get_by_role("heading", name="You are logged in").wait_for()


async def test_a_web_server_that_adds_its_own_referrer_policy_breaks_no_form(site, page):
    async def stricter(route):
        if route.request.method == "POST":
            await route.continue_()
            return
        answer = await route.fetch()
        await route.fulfill(response=answer, headers={**answer.headers, "referrer-policy": "no-referrer"})

    right = await begin(page, site)
    await page.route(site.url + PATH, stricter)
    # What a redirect leads to is not routed.
    shown = await page.reload()
    await submit(page, right)

    assert shown.headers["referrer-policy"] == "no-referrer"
    await on_the_site(page)


# --- Going back, reloading, two tabs ---------------------------------------------------------------------------------


async def test_reloading_sends_nothing_again(site, page):
    right = await begin(page, site)
    await submit(page, wrong(right))
    await page.reload()

    await expect(alert(page)).to_be_empty()
    await submit(page, wrong(right))
    await expect(alert(page)).to_have_text("The code is wrong. Attempts left: 3.")


async def test_going_back_after_a_wrong_code_shows_the_form_as_it_is_now(site, page):
    right = await begin(page, site)
    await submit(page, wrong(right))
    await page.go_back()

    assert page.url == site.url + PATH
    await expect(alert(page)).to_be_empty()
    await submit(page, wrong(right))
    await expect(alert(page)).to_have_text("The code is wrong. Attempts left: 3.")
    await submit(page, right)
    await on_the_site(page)


async def test_going_back_after_the_login_says_that_it_is_done(site, page):
    await submit(page, await begin(page, site))
    await on_the_site(page)
    await page.go_back()

    await page.get_by_role("heading", name="You are logged in").wait_for()


async def test_a_method_that_was_changed_in_another_tab_costs_no_attempt(site, page):
    await enrolled(site)
    right = await begin(page, site)
    other = await page.context.new_page()
    await other.goto(site.url + PATH)
    await choose(other, "RECOVERY CODE")
    await submit(page, right)

    await expect(alert(page)).to_contain_text("was changed meanwhile")
    await expect(page.get_by_label("Recovery code")).to_be_focused()
    await submit(page, "wrong")
    await expect(alert(page)).to_contain_text("Attempts left: 4.")


async def test_the_form_of_an_older_login_leads_to_the_newer_one(site, page):
    await begin(page, site)
    other = await page.context.new_page()
    right = await begin(other, site)
    await submit(page, "123456")
    await page.get_by_text("This page was out of date.").wait_for()
    await page.get_by_role("link", name="Continue").click()
    await submit(page, right)

    await on_the_site(page)


async def test_two_tabs_finish_one_login_once(site, page):
    right = await begin(page, site)
    other = await page.context.new_page()
    await other.goto(site.url + PATH)
    await submit(page, right)
    await submit(other, right)

    await on_the_site(page)
    await other.get_by_role("heading", name="You are logged in").wait_for()


async def test_two_clicks_are_one_login(site, page):
    right = await begin(page, site)
    await page.locator("#otp").fill(right)
    await page.evaluate("for (let i = 0; i < 3; i++) document.querySelector('#code button').click()")

    await on_the_site(page)


# --- What a script adds ----------------------------------------------------------------------------------------------


async def test_the_times_count_down_and_the_resend_waits_for_its_own(page):
    async with a_site(**WAITING) as site:
        await page.clock.install()
        await begin(page, site)
        again = page.get_by_role("button", name="Send it again")
        await expect(again).to_be_disabled()
        await expect(page.locator("#resend-in")).to_contain_text("0:59")
        await page.clock.run_for(61_000)

        await expect(again).to_be_enabled()
        await expect(page.locator("#resend-in")).to_be_hidden()
        await expect(page.locator("#expires")).to_contain_text("3:5")


async def test_without_scripts_a_resend_that_is_too_soon_is_told(new_page):
    async with a_site(**WAITING) as site:
        page = await new_page(java_script_enabled=False)
        await begin(page, site)
        await expect(page.locator("#resend-in")).to_contain_text("Possible again in")
        await press(page, "#resend button")

        await expect(alert(page)).to_contain_text("Please wait before asking for another code. Waiting time: ")


async def test_a_page_whose_time_is_up_says_so_by_itself(site, page):
    await page.clock.install()
    await begin(page, site)
    site.world.clock.ahead = 301
    await page.clock.run_for(301_000)

    await page.get_by_role("heading", name="This login is over").wait_for()


async def test_the_page_tells_what_became_of_the_message(site, page):
    site.world.mailbox.answers["RCPT"] = "550 5.1.1 no such user"
    with site.world.mailbox.held("MAIL"):
        await page.goto(f"{site.url}/begin")
        await expect(page.locator("#asks")).to_contain_text("on its way")

    await expect(page.locator("#asks")).to_contain_text("could not be delivered")
    await expect(page.locator("#otp")).to_be_focused()


async def test_the_code_of_a_text_message_is_typed_by_a_browser_that_reads_it(site, page):
    await page.add_init_script(
        """window.OTPCredential = class {};
        const given = new Promise((done) => (window.arrive = (code) => done({ code })));
        navigator.credentials.get = ({ otp }) => (otp.transport[0] === "sms" ? given : Promise.reject());"""
    )
    right = await begin(page, site)
    # The same code, by text message.
    await choose(page, "SMS")
    async with page.expect_navigation():
        await page.evaluate("(code) => window.arrive(code)", right)

    await on_the_site(page)


# --- How it looks, and what a screen reader is told ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("width", "scheme", "language"),
    [(320, "light", "de"), (320, "dark", "ar"), (1280, "light", "ar"), (1280, "dark", "en")],
)
async def test_every_state_can_be_read_and_nothing_scrolls_sideways(site, new_page, width, scheme, language):
    await enrolled(site)
    page = await new_page(viewport={"width": width, "height": 700}, color_scheme=scheme, locale=language)
    problems = watch(page)
    seen = []

    async for state in states(page, site):
        seen.append(state)
        html = await page.evaluate("[document.documentElement.lang, document.documentElement.dir]")
        assert html == [language, "rtl" if language == "ar" else "ltr"], state
        assert await page.evaluate("document.documentElement.scrollWidth") <= width, state
        assert await page.evaluate(OUTSIDE) == [], state
        assert [text for text in await page.evaluate(CONTRAST) if text["ratio"] < ENOUGH] == [], state

    assert len(seen) == 13
    assert problems == []


async def test_a_screen_reader_is_told_what_is_asked_what_was_wrong_and_how_long_it_works(site, page):
    right = await begin(page, site)
    await submit(page, wrong(right))
    client = await page.context.new_cdp_session(page)
    nodes = (await client.send("Accessibility.getFullAXTree"))["nodes"]
    named = {(node["role"]["value"], node.get("name", {}).get("value", "")): node for node in nodes if "role" in node}

    field = named["textbox", "Your code"]
    assert field["description"]["value"].startswith("The code is wrong. Attempts left: 4. A code ")
    assert "Time left: " in field["description"]["value"]
    properties = {one["name"]: one["value"].get("value") for one in field["properties"]}
    assert (properties["invalid"], properties["required"], properties["focused"]) == ("true", True, True)
    assert ("heading", "Enter your code") in named
    assert ("main", "") in named
    assert "Only for a device of your own." in named["checkbox", "Remember this device"]["description"]["value"]
    assert {name for role, name in named if role == "button"} >= {"Log in", "Send it again", "Cancel the login"}


async def test_the_theme_of_the_operator_is_used(page, tmp_path):
    (tmp_path / "challenge.css").write_text(":root { --accent: rgb(0, 105, 92); }")
    (tmp_path / "challenge.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" width="80" height="20"/>')
    (tmp_path / "challenge.footer.html").write_text(
        '<a href="/imprint">Imprint</a><script>document.title = "x"</script>'
    )
    problems = watch(page)
    async with a_site(folder=tmp_path) as site:
        await begin(page, site)
        button = page.locator("#code button")

        await expect(button).to_have_css("background-color", "rgb(0, 105, 92)")
        assert await page.get_by_role("img", name="Example").evaluate("(img) => img.naturalWidth") == 80
        await expect(page.get_by_role("link", name="Imprint")).to_be_visible()
        assert await page.title() == "Enter your code · Example"
        assert len(problems) == 1
        assert "Content Security Policy" in problems[0]


async def test_the_next_login_with_the_app_needs_its_next_code(site, page):
    person = await enrolled(site)
    used = app_code(person.secret, site.world.clock())
    for _ in range(2):
        await begin(page, site)
        await choose(page, "GOOGLE AUTHENTICATOR")
        await submit(page, used)
    await expect(alert(page)).to_contain_text("The code is wrong.")
    site.world.clock.ahead += STEP
    await submit(page, app_code(person.secret, site.world.clock()))

    await on_the_site(page)
