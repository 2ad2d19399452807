"""The demo's pages in each of their states, reached as a user reaches them, in whatever language."""

import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from playwright.async_api import ConsoleMessage, Page, expect

from gateway.demo.mailbox import Mailbox
from tests.flows.apps import STEP, app_code, mistyped
from tests.world import Clock


@dataclass(frozen=True, kw_only=True)
class Demo:
    url: str
    mailbox: Mailbox
    drupal: str
    clock: Clock

    async def code(self, page: Page) -> str:
        """The newest code that has been mailed; waits for the first one."""
        for _ in range(200):
            if codes := [mail.code for mail in self.mailbox.mails if mail.code]:
                return codes[0]
            await page.wait_for_timeout(20)
        raise AssertionError("no mail with a code has arrived")


def watch(page: Page) -> list[str]:
    """What goes wrong in *page* from now on; a request that is refused, or gets no answer, does not count."""
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))

    def note(line: ConsoleMessage) -> None:
        if line.type in ("error", "warning") and not line.text.startswith("Failed to load resource"):
            problems.append(line.text)

    page.on("console", note)
    return problems


async def submit(page: Page, form: str, field: str, typed: str) -> None:
    await page.locator(f"#{form} #{field}").fill(typed)
    await page.locator(f"#{form} button:not([type])").click()


async def idle(page: Page) -> None:
    """Wait until the request of the last click is answered."""
    await expect(page.locator("body")).not_to_have_class("busy")


async def give_password(page: Page) -> None:
    await submit(page, "password-form", "password", "alice-pass-1")
    await page.locator("#code-form").wait_for()


async def give_code(page: Page, code: str) -> None:
    await submit(page, "code-form", "otp", code)
    await idle(page)


async def log_in(page: Page, demo: Demo, *, path: str = "/") -> None:
    """Log in by mail; the demo sends no second code while one is under way, so the newest is the right one."""
    await page.goto(demo.url + path)
    demo.mailbox.mails.clear()
    await give_password(page)
    await give_code(page, await demo.code(page))
    await page.locator("#hello").wait_for()


async def propose_app(page: Page) -> str:
    """Start to set up an app, and return its secret."""
    await page.locator("#enroll").click()
    await page.locator("#app-confirm").wait_for()
    return (await page.locator("#secret").text_content()).replace(" ", "")


async def set_up_app(page: Page, demo: Demo) -> str:
    """Set up an app, and return its secret; the recovery codes are on the page."""
    secret = await propose_app(page)
    await submit(page, "app-confirm", "app-code", app_code(secret, demo.clock()))
    await page.locator("#app-codes").wait_for()
    return secret


async def next_code(demo: Demo, secret: str) -> str:
    """The app's next code: one that was used is spent."""
    demo.clock.ahead += STEP
    return app_code(secret, demo.clock())


async def states(page: Page, demo: Demo) -> AsyncGenerator[str]:
    """Bring *page* from state to state and yield the name of each."""
    for part in (of_the_password, of_the_code, of_the_app, of_the_mailbox, of_the_lock):
        async for state in part(page, demo):
            yield state


async def of_the_password(page: Page, demo: Demo) -> AsyncGenerator[str]:
    await page.goto(f"{demo.url}/mailbox")
    await page.locator("#empty").wait_for()
    yield "mailbox-empty"
    await page.goto(demo.url)
    await page.locator("#password-form").wait_for()
    yield "password"
    await submit(page, "password-form", "password", "wrong")
    await idle(page)
    yield "password-wrong"
    await page.route("**/headless/**", lambda route: route.abort())
    await submit(page, "password-form", "password", "alice-pass-1")
    await page.locator("#retry").wait_for()
    yield "unreachable"
    await page.unroute("**/headless/**")


async def of_the_code(page: Page, demo: Demo) -> AsyncGenerator[str]:
    await give_password(page)
    yield "code"
    wrong = mistyped(await demo.code(page))
    for left in (4, 3, 2, 1):
        await give_code(page, wrong)
        if left in (4, 1):
            yield f"code-wrong-{left}-left"
    await give_code(page, wrong)
    await page.locator("#password-form").wait_for()
    yield "code-wrong-for-the-last-time"


async def of_the_app(page: Page, demo: Demo) -> AsyncGenerator[str]:
    await log_in(page, demo)
    yield "hello"
    secret = await propose_app(page)
    yield "app-propose"
    await page.locator("summary").click()
    await submit(page, "app-confirm", "app-code", mistyped(app_code(secret, demo.clock())))
    await idle(page)
    yield "app-wrong"
    await submit(page, "app-confirm", "app-code", app_code(secret, demo.clock()))
    await page.locator("#app-codes").wait_for()
    yield "app-codes"
    await page.locator("#kept").click()
    yield "app-enrolled"
    await page.locator("#logout").click()
    await give_password(page)
    yield "code-of-the-app"
    await page.locator("#other-methods button").last.click()
    await idle(page)
    yield "code-recovery"
    demo.mailbox.mails.clear()
    await page.locator("#other-methods button").nth(1).click()
    await idle(page)
    await give_code(page, await demo.code(page))
    await page.locator("#renew").click()
    yield "app-renew"
    await page.locator("#stop-renew").click()
    await page.locator("#replace").click()
    await page.locator("#present").wait_for()
    yield "app-replace"
    await page.locator("#stop-confirm").click()
    await page.locator("#logout").click()
    await give_password(page)
    await idle(page)
    await give_code(page, await next_code(demo, secret))
    await page.locator("#start-remove").click()
    yield "app-remove"
    await submit(page, "app-remove", "remove-code", await next_code(demo, secret))
    await page.locator("#app-over").wait_for()
    yield "app-removed"


async def of_the_mailbox(page: Page, demo: Demo) -> AsyncGenerator[str]:
    await page.goto(f"{demo.url}/mailbox")
    frame = page.locator("iframe").last
    await expect(frame).to_have_attribute("height", re.compile(r"\d{3}"))
    yield "mailbox"


async def of_the_lock(page: Page, demo: Demo) -> AsyncGenerator[str]:
    """Ten wrong codes lock the account."""
    await page.goto(demo.url)
    for _ in range(2):
        demo.mailbox.mails.clear()
        await give_password(page)
        wrong = mistyped(await demo.code(page))
        for _ in range(5):
            await give_code(page, wrong)
        await page.locator("#password-form").wait_for()
    await submit(page, "password-form", "password", "alice-pass-1")
    await idle(page)
    yield "locked"
