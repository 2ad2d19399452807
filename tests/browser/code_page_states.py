"""The code page in each of its states, reached as a user reaches them, in whatever language."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from playwright.async_api import Page

from gateway.demo.drupal.accounts import example_users
from gateway.demo.drupal.site import DrupalOptions
from gateway.factors import recovery
from tests.code_page.code_site import PATH, CodeSite, a_code_site
from tests.flows.apps import Enrolled, enrol
from tests.world import CODE, a_world, code_in, wrong

USERS = tuple(replace(user, phone="+4915112345678" if user.name == "alice" else user.phone) for user in example_users())
SETTINGS = {
    "code": {"resend_wait_seconds": 0, "resends": 2},
    "policy": {"remember": {"days": 30}},
    "totp": {"enabled": True, "prefer": False},
}
WAITING = {"code": {"resend_wait_seconds": 60, "resends": 2}}


@asynccontextmanager
async def a_site(*, folder: Path | None = None, **changes: object) -> AsyncGenerator[CodeSite]:
    """Serve a site whose alice can have her code in several ways, with a code page for `Example`."""
    drupal = DrupalOptions(users=USERS, reverse_proxy_addresses=("127.0.0.1",))
    async with a_world(store={"kind": "memory"}, drupal=drupal, **SETTINGS) as world:
        mail = world.configuration()["channels"]["email"]
        changes.setdefault("channels", {"email": mail, "sms": {"kind": "console"}})
        async with a_code_site(world, site="Example", folder=folder, **changes) as site:
            yield site


async def enrolled(site: CodeSite) -> Enrolled:
    """Give alice an app and recovery codes, by the API."""
    heavy, recovery.KIBIBYTES = recovery.KIBIBYTES, 64
    try:
        return await enrol(site.world, site.world.visit(site.url))
    finally:
        recovery.KIBIBYTES = heavy


async def begin(page: Page, site: CodeSite, query: str = "") -> str:
    """Bring *page* to a form, and return the code that was mailed for it."""
    mails = site.world.mailbox.mails
    before = len(mails)
    await page.goto(f"{site.url}/begin{query}")
    await page.locator("#otp").wait_for()
    # In whatever language.
    await site.world.eventually(lambda: any(CODE.search(mail.plain) for mail in mails[before:]))
    return code_in(next(mail for mail in mails[before:] if CODE.search(mail.plain)))


async def submit(page: Page, otp: str) -> None:
    await page.locator("#otp").fill(otp)
    async with page.expect_navigation():
        await page.locator("#code button").click()


async def press(page: Page, button: str) -> None:
    async with page.expect_navigation():
        await page.locator(button).click()


async def choose(page: Page, method: str) -> None:
    """Ask by another method, whose button may be folded up."""
    if await page.locator("#others").get_attribute("open") != "":
        await page.locator("summary").click()
    await press(page, f"#others button[value='{method}']")


async def states(page: Page, site: CodeSite) -> AsyncGenerator[str]:
    """Bring *page* from state to state and yield the name of each. alice has an app already."""
    for part in (of_the_form, of_other_ways, of_the_end, of_refusals):
        async for state in part(page, site):
            yield state


async def of_the_form(page: Page, site: CodeSite) -> AsyncGenerator[str]:
    right = await begin(page, site)
    await page.reload()
    yield "form"
    await submit(page, wrong(right))
    yield "wrong"
    await press(page, "#resend button")
    yield "resent"
    await press(page, "#resend button")
    yield "no-resend-left"
    await page.locator("summary").click()
    yield "other-ways"


async def of_other_ways(page: Page, site: CodeSite) -> AsyncGenerator[str]:
    await choose(page, "GOOGLE AUTHENTICATOR")
    yield "app"
    await choose(page, "RECOVERY CODE")
    yield "recovery"
    await submit(page, "wrong wrong")
    yield "recovery-wrong"


async def of_the_end(page: Page, site: CodeSite) -> AsyncGenerator[str]:
    for _ in range(3):
        await submit(page, "wrong wrong")
    yield "last-attempt"
    await begin(page, site)
    await press(page, "#cancel button")
    yield "cancelled"
    await page.goto(site.url + PATH)
    yield "over"
    await submit_after_begin(page, site)
    await page.goto(site.url + PATH)
    yield "done"


async def submit_after_begin(page: Page, site: CodeSite) -> None:
    await submit(page, await begin(page, site))


async def of_refusals(page: Page, site: CodeSite) -> AsyncGenerator[str]:
    await begin(page, site)
    await page.evaluate("document.querySelector('#code [name=form_token]').value = 'x'")
    await submit(page, "123456")
    yield "out-of-date"
