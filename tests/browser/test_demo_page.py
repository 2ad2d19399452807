"""The demo in a browser, as somebody tries it who has just cloned the project."""

import asyncio
import re

import pytest
from playwright.async_api import expect

from gateway.demo.mailbox import Mail
from gateway.texts.catalogues import Languages
from tests.browser.demo_states import (
    give_code,
    give_password,
    idle,
    log_in,
    next_code,
    propose_app,
    set_up_app,
    submit,
    watch,
)
from tests.flows.apps import app_code, mistyped

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]
UNREACHABLE = "The gateway does not answer. Check that the demo is running, then try again."


def button(page, name):
    return page.get_by_role("button", name=name, exact=True)


def message(page):
    return page.locator("#message")


async def log_in_by_mail_beside_the_app(page, demo):
    await button(page, "Log out").click()
    await give_password(page)
    demo.mailbox.mails.clear()
    await button(page, "Send a code by mail").click()
    await idle(page)
    await give_code(page, await demo.code(page))
    await page.get_by_text("The next login asks for a code of the app.").wait_for()


# --- Logging in ------------------------------------------------------------------------------------------------------


async def test_alice_logs_in_and_out_on_the_page(demo, page):
    problems = watch(page)
    await log_in(page, demo)
    await page.get_by_role("heading", name="Hello alice").wait_for()
    async with page.expect_popup() as opened:
        await page.get_by_role("link", name="Open your page there").click()
    account = await opened.value

    assert account.url == f"{demo.drupal}/user/2"
    assert await account.get_by_role("heading", name="alice").is_visible()

    await button(page, "Log out").click()
    await page.get_by_text("You are logged out.").wait_for()
    await account.reload()

    assert not await account.get_by_role("heading", name="alice").is_visible()
    assert problems == []


async def test_the_keyboard_alone_logs_in_and_is_never_left_without_a_place(demo, page):
    await page.goto(demo.url)
    await page.get_by_label("Username").focus()
    await page.keyboard.press("Tab")
    await page.keyboard.type("alice-pass-1")
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("Code", exact=True)).to_be_focused()
    code = await demo.code(page)
    await page.keyboard.type(mistyped(code))
    await page.keyboard.press("Enter")
    await expect(message(page)).to_contain_text("wrong")
    await expect(page.get_by_label("Code", exact=True)).to_be_focused()
    # What was typed is selected, so the next code replaces it.
    await page.keyboard.type(code)
    await page.keyboard.press("Enter")

    await expect(page.get_by_role("heading", name="Hello alice")).to_be_focused()


async def test_a_wrong_code_is_told_and_the_right_one_still_works(demo, page):
    await page.goto(demo.url)
    await give_password(page)
    await give_code(page, "12345")
    await expect(message(page)).to_have_text("The code is wrong. 4 attempts left.")
    code = await demo.code(page)
    await give_code(page, f" {code[:3]}-{code[3:]} ")

    await page.get_by_role("heading", name="Hello alice").wait_for()


async def test_after_the_last_wrong_code_the_page_asks_for_the_password_and_says_why(demo, page):
    await page.goto(demo.url)
    await give_password(page)
    wrong = mistyped(await demo.code(page))
    for _ in range(4):
        await give_code(page, wrong)
    await expect(message(page)).to_have_text("The code is wrong. 1 attempt left.")
    await give_code(page, wrong)

    await expect(message(page)).to_have_text("The code is wrong. That was the last attempt. Please log in again.")
    await expect(page.get_by_label("Password")).to_be_focused()
    await expect(page.get_by_label("Username")).to_have_value("alice")
    await expect(page.locator("#code-form")).to_be_hidden()


async def test_a_login_that_has_ended_starts_over_and_says_so(demo, page):
    await page.goto(demo.url)
    await give_password(page)
    code = await demo.code(page)
    demo.clock.ahead += 301
    await give_code(page, code)

    await expect(message(page)).to_have_text("This login is no longer open. Please start again.")
    await expect(page.get_by_label("Password")).to_be_focused()


async def test_a_refusal_says_for_how_long(demo, page):
    await page.goto(demo.url)
    for _ in range(4):
        await submit(page, "password-form", "password", "wrong")
        await idle(page)
    await expect(message(page)).to_have_text("Unrecognized username or password.")
    demo.clock.ahead += 5 * 3600 + 57 * 60
    await submit(page, "password-form", "password", "alice-pass-1")

    await expect(message(page)).to_have_text(
        re.compile(r"^Too many attempts\. Please wait and try again\. Waiting time: (2 minutes, )?5\d seconds\.$")
    )


async def test_a_code_can_be_sent_again_only_after_a_while(demo, page):
    await page.clock.install()
    await page.goto(demo.url)
    await give_password(page)
    code = await demo.code(page)
    await expect(button(page, "Send it again (10 sec)")).to_be_disabled()
    demo.mailbox.mails.clear()
    demo.clock.ahead += 11
    await page.clock.fast_forward(11_000)
    await button(page, "Send it again").click()

    await expect(message(page)).to_have_text("Sent again. It is the same code.")
    assert await demo.code(page) == code


# --- Without an answer -----------------------------------------------------------------------------------------------


async def test_a_gateway_that_is_away_is_told_and_the_form_keeps_the_name_but_no_password(demo, page):
    await page.goto(demo.url)
    await page.route("**/headless/**", lambda route: route.abort())
    await page.get_by_label("Username").fill("bob")
    await submit(page, "password-form", "password", "bob-pass-1")

    await expect(message(page)).to_have_text(UNREACHABLE)
    await expect(page.get_by_label("Username")).to_have_value("bob")
    await expect(page.get_by_label("Password")).to_have_value("")

    await page.unroute("**/headless/**")
    await page.get_by_label("Password").fill("bob-pass-1")
    await button(page, "Try again").click()

    await expect(page.get_by_label("Code", exact=True)).to_be_visible()
    await expect(button(page, "Try again")).to_be_hidden()


async def test_try_again_repeats_what_got_no_answer(demo, page):
    await page.goto(demo.url)
    await give_password(page)
    code = await demo.code(page)
    # Not the gateway's answer either: that of a proxy which doesn't reach it.
    await page.route("**/headless/**", lambda route: route.fulfill(status=502, body="<h1>Bad Gateway</h1>"))
    await give_code(page, code)
    await expect(message(page)).to_have_text(UNREACHABLE)
    await page.unroute("**/headless/**")
    await button(page, "Try again").click()

    await page.get_by_role("heading", name="Hello alice").wait_for()


async def test_a_double_click_asks_once(demo, page):
    asked = []

    async def answer_late(route):
        asked.append(route.request.url.removeprefix(demo.url))
        await asyncio.sleep(0.2)
        await route.continue_()

    await page.goto(demo.url)
    await give_password(page)
    await page.get_by_label("Code", exact=True).fill(await demo.code(page))
    await page.route("**/headless/**", answer_late)
    await button(page, "Log in").dblclick()
    await page.get_by_role("heading", name="Hello alice").wait_for()

    assert asked == ["/headless/login"]


async def test_no_form_can_be_sent_before_the_page_is_ready(demo, page):
    ready = asyncio.Event()

    async def answer_late(route):
        await ready.wait()
        await route.continue_()

    await page.route("**/demo/en.json", answer_late)
    await page.goto(demo.url)
    await expect(page.locator("#password-form")).to_be_hidden()
    ready.set()
    await give_password(page)

    assert page.url == f"{demo.url}/"


# --- Languages -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("locale", "path", "language"),
    [("ar", "/", "ar"), ("de-AT", "/", "de"), ("fi", "/", "en"), ("fi", "/?lang=ar", "ar")],
)
async def test_page_message_and_mail_have_the_same_language(demo, new_page, locale, path, language):
    page = await new_page(locale=locale)
    await page.goto(demo.url + path)
    await submit(page, "password-form", "password", "wrong")
    said = Languages().asked_for(language).say("Unrecognized username or password.")
    await expect(message(page)).to_have_text(said)
    await give_password(page)
    await demo.code(page)

    heading = {"en": "Enter your code", "de": "Code eingeben", "ar": "أدخل الرمز"}[language]
    await page.get_by_role("heading", name=heading).wait_for()
    html = page.locator("html")
    await expect(html).to_have_attribute("lang", language)
    await expect(html).to_have_attribute("dir", "rtl" if language == "ar" else "ltr")
    assert demo.mailbox.mails[0].subject == {"en": "Your code", "de": "Ihr Code", "ar": "رمز الدخول"}[language]


async def test_an_empty_field_is_told_in_the_language_of_the_page(demo, page):
    await page.goto(f"{demo.url}/?lang=de")
    await button(page, "Weiter").click()

    said = await page.locator("#password").evaluate("node => node.validationMessage")
    assert said == "Bitte füllen Sie dieses Feld aus."


async def test_a_chosen_language_stays_on_the_other_page(demo, page):
    await page.goto(demo.url)
    await page.get_by_role("link", name="Deutsch").click()
    async with page.expect_popup() as opened:
        await page.get_by_role("link", name="Postfach").click()
    mailbox = await opened.value

    await mailbox.get_by_role("heading", name="Postfach").wait_for()


# --- The mailbox -----------------------------------------------------------------------------------------------------


async def test_the_mailbox_shows_a_mail_as_text_and_as_html_side_by_side(demo, page):
    await page.goto(f"{demo.url}/mailbox")
    problems = watch(page)
    await page.get_by_text("No mail yet.").wait_for()
    other = await page.context.new_page()
    await other.goto(demo.url)
    await give_password(other)
    code = await demo.code(other)

    item = page.get_by_role("listitem")
    html = item.frame_locator("iframe").locator(".code")
    await expect(item.locator("pre")).to_contain_text(f"Your code is: {code}")
    await expect(html).to_have_text(code)
    # The mail has its own styles, which the page's policy would take from it.
    assert await html.evaluate("node => getComputedStyle(node).fontSize") == "32px"
    text, frame = await item.locator("pre").bounding_box(), await item.locator("iframe").bounding_box()
    assert text["y"] == frame["y"]
    assert text["x"] + text["width"] < frame["x"]
    inside = "document.querySelector('iframe').contentDocument.documentElement.scrollHeight"
    assert await page.evaluate(inside) <= frame["height"]
    assert problems == []


async def test_nothing_in_a_mail_runs_or_is_loaded(demo, page):
    hostile = (
        "<p>mail</p><script>top.document.title = 'mine'</script><img src=/mailbox/code onerror=top.document.title='mine'>"
        "<video src=/demo/de.json></video><link rel=stylesheet href=/demo/demo.css>"
        "<form action=/headless/logout method=post><button>go</button></form>"
    )
    demo.mailbox.mails.append(Mail(id=7, to="a@b.test", subject="<b>s</b>", text="<i>t</i>", html=hostile, at="now"))
    await page.goto(f"{demo.url}/mailbox")
    await page.get_by_role("heading", name="<b>s</b>").wait_for()
    frame = page.frame_locator("iframe")
    answered = []
    page.on("response", lambda response: answered.append(response.url.removeprefix(demo.url)))
    await frame.get_by_role("button").click()
    # As if somebody opened the frame in a tab of its own.
    await page.goto(f"{demo.url}/mailbox/mails/7")
    await page.get_by_role("button").click()
    await page.wait_for_timeout(200)

    assert await page.title() == ""
    assert set(answered) - {"/mailbox/mails"} == {"/mailbox/mails/7"}


async def test_the_mailbox_goes_on_when_it_is_full_and_after_the_demo_was_away(demo, page):
    for id in range(1, 51):
        demo.mailbox.mails.appendleft(Mail(id=id, to="a@b.test", subject=f"mail {id}", text="", html="", at="now"))
    await page.goto(f"{demo.url}/mailbox")
    await page.get_by_role("heading", name="mail 50").wait_for()
    await page.route("**/mailbox/mails", lambda route: route.abort())
    await expect(message(page)).to_have_text("The demo does not answer. This page keeps trying.")
    await page.unroute("**/mailbox/mails")
    demo.mailbox.mails.appendleft(Mail(id=51, to="a@b.test", subject="mail 51", text="", html="", at="now"))

    await expect(message(page)).to_have_text("New mail: mail 51")
    await expect(page.get_by_role("listitem")).to_have_count(50)
    await expect(page.get_by_role("listitem").first).to_contain_text("mail 51")


async def test_the_description_of_the_api_is_one_click_away(demo, page):
    for path in ("/", "/mailbox"):
        await page.goto(demo.url + path)
        async with page.expect_popup() as opened:
            await page.get_by_role("link", name="API").click()
        docs = await opened.value
        await docs.get_by_text("POST /headless/authenticate").wait_for()
        await docs.close()


# --- An authenticator app --------------------------------------------------------------------------------------------


async def test_an_app_is_set_up_logs_in_and_is_removed(demo, page):
    problems = watch(page)
    await log_in(page, demo)
    secret = await propose_app(page)
    qr = await page.get_by_role("img", name="QR code").bounding_box()
    assert qr["width"] == qr["height"] > 150
    assert secret in await page.locator("#otpauth").get_attribute("href")
    await submit(page, "app-confirm", "app-code", mistyped(app_code(secret, demo.clock())))
    await expect(page.locator("#app-message")).to_have_text("The code is wrong. 9 attempts left.")
    await submit(page, "app-confirm", "app-code", app_code(secret, demo.clock()))
    await expect(page.locator("#recovery-codes li")).to_have_count(10)
    assert secret not in await page.content()
    await button(page, "I have kept them").click()
    await button(page, "Log out").click()
    mails = len(demo.mailbox.mails)

    await give_password(page)
    await page.get_by_text("Type the code that your authenticator app shows.").wait_for()
    await give_code(page, await next_code(demo, secret))
    await page.get_by_text("The next login asks for a code of the app.").wait_for()
    assert len(demo.mailbox.mails) == mails

    await button(page, "Remove the app").click()
    await submit(page, "app-remove", "remove-code", await next_code(demo, secret))
    await page.get_by_text("Your authenticator app was removed.").wait_for()
    await button(page, "Log out").click()
    await give_password(page)
    await page.get_by_text("A code was sent to a•••@e••••.test.").wait_for()
    assert problems == []


async def test_recovery_codes_can_be_copied_and_printed_and_one_of_them_logs_in(demo, new_page):
    page = await new_page(permissions=["clipboard-read", "clipboard-write"])
    await page.add_init_script("window.print = () => { window.printed = true; }")
    await log_in(page, demo)
    await set_up_app(page, demo)
    codes = await page.locator("#recovery-codes li").all_text_contents()

    await button(page, "Copy").click()
    await page.get_by_text("The codes are copied.").wait_for()
    assert (await page.evaluate("navigator.clipboard.readText()")).split() == codes

    await button(page, "Print").click()
    assert await page.evaluate("window.printed")
    await page.emulate_media(media="print")
    assert (await page.locator("body").inner_text()).split("\n\n")[0] == "Recovery codes"
    assert await page.get_by_text(codes[0]).is_visible()
    assert await page.locator("button:visible").count() == 0
    await page.emulate_media(media="screen")

    await button(page, "Log out").click()
    await give_password(page)
    assert codes[0] not in await page.content()
    await button(page, "Use a recovery code").click()
    await page.get_by_label("Recovery code", exact=True).fill(codes[0])
    await button(page, "Log in").click()
    await page.get_by_role("heading", name="Hello alice").wait_for()


async def test_one_who_has_an_app_can_still_have_a_code_mailed(demo, page):
    await log_in(page, demo)
    await set_up_app(page, demo)
    await button(page, "Log out").click()
    await give_password(page)
    demo.mailbox.mails.clear()
    await button(page, "Send a code by mail").click()
    await page.get_by_text("A code was sent to a•••@e••••.test.").wait_for()
    await give_code(page, await demo.code(page))

    await page.get_by_role("heading", name="Hello alice").wait_for()


async def test_one_who_logged_in_by_mail_replaces_the_app_with_a_code_of_it(demo, page):
    problems = watch(page)
    await log_in(page, demo)
    old = await set_up_app(page, demo)
    await button(page, "I have kept them").click()
    await log_in_by_mail_beside_the_app(page, demo)

    await button(page, "Set up another app").click()
    await page.get_by_label("Code of the present app, or a recovery code").wait_for()
    new = (await page.locator("#secret").text_content()).replace(" ", "")
    await page.get_by_label("Code of the new app").fill(app_code(new, demo.clock()))
    await button(page, "Confirm").click()
    assert (
        await page.locator("#present-code").evaluate("node => node.validationMessage") == "Please fill in this field."
    )
    await submit(page, "app-confirm", "present-code", mistyped(app_code(old, demo.clock())))
    await expect(page.locator("#app-message")).to_have_text("The code is wrong. 9 attempts left.")
    code = await next_code(demo, old)
    await page.get_by_label("Code of the new app").fill(app_code(new, demo.clock()))
    await submit(page, "app-confirm", "present-code", code)
    await expect(page.locator("#recovery-codes li")).to_have_count(10)

    # The token of the confirmation proves the app, so nothing is asked for any more.
    await button(page, "I have kept them").click()
    await button(page, "Set up another app").click()
    await page.get_by_label("Code of the new app").wait_for()
    await expect(page.locator("#present")).to_be_hidden()
    await button(page, "Cancel").click()
    await expect(button(page, "Set up another app")).to_be_focused()
    await button(page, "Log out").click()
    await give_password(page)
    await give_code(page, await next_code(demo, new))
    await page.get_by_role("heading", name="Hello alice").wait_for()
    assert problems == []


async def test_one_who_logged_in_by_mail_makes_new_recovery_codes_with_one_of_the_old(demo, page):
    await log_in(page, demo)
    await set_up_app(page, demo)
    codes = await page.locator("#recovery-codes li").all_text_contents()
    await button(page, "I have kept them").click()
    await log_in_by_mail_beside_the_app(page, demo)

    await button(page, "New recovery codes").click()
    await submit(page, "app-renew", "renew-code", codes[0])

    await expect(page.locator("#recovery-codes li")).to_have_count(10)
    assert not set(codes) & set(await page.locator("#recovery-codes li").all_text_contents())


async def test_an_app_that_another_page_has_set_up_is_asked_for(demo, page):
    await log_in(page, demo)
    other = await page.context.new_page()
    await log_in(other, demo)
    secret = await set_up_app(other, demo)
    new = await propose_app(page)
    await submit(page, "app-confirm", "app-code", app_code(new, demo.clock()))

    await expect(page.get_by_label("Code of the present app, or a recovery code")).to_be_focused()
    await expect(page.locator("#app-message")).to_be_empty()
    code = await next_code(demo, secret)
    await page.locator("#app-code").fill(app_code(new, demo.clock()))
    await submit(page, "app-confirm", "present-code", code)
    await expect(page.locator("#recovery-codes li")).to_have_count(10)


async def test_ten_minutes_after_a_login_the_app_can_no_longer_be_changed_and_the_page_says_so(demo, page):
    await log_in(page, demo)
    demo.clock.ahead += 601
    await button(page, "Set up an app").click()

    await expect(page.locator("#app-over")).to_be_focused()
    await expect(page.locator("#app-over")).to_have_text(re.compile(r"^Log out and log in again to change the app\."))
    await expect(button(page, "Log out")).to_be_visible()
