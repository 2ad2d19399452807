"""People with an authenticator app: its codes are made by oathtool, which knows nothing of us."""

import asyncio
import subprocess
import time
from dataclasses import dataclass

from gateway.cli.store import mark_store
from gateway.settings import Settings
from tests.world import Answer, Frontend, World, code_in

STEP = 30
APP, RECOVERY = "GOOGLE AUTHENTICATOR", "RECOVERY CODE"
ON = {"totp": {"enabled": True}}
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
SAFARI = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 Version/17.4 Safari/604.1"


@dataclass(frozen=True, kw_only=True)
class Enrolled:
    """What the person keeps: the secret in the app, the recovery codes, and the frontend's token."""

    secret: str
    codes: list[str]
    token: str


async def mark(world: World) -> None:
    """What an operator does once, where there is something to mark."""
    if world.store["kind"] == "redis":
        await mark_store(Settings.model_validate(world.configuration()))


def app_code(secret: str, at: float) -> str:
    """What the app shows at that time."""
    command = ["oathtool", "--totp", "--base32", "--now", f"@{int(at)}", secret]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def mistyped(code: str) -> str:
    """A code of none of the steps around it, with all likelihood."""
    return f"{(int(code) + 500_001) % 1_000_000:06}"


async def early_in_a_step() -> None:
    """Wait until no step ends within the next seconds: a test counts steps as it goes."""
    left = STEP - time.time() % STEP
    if left < 5:
        await asyncio.sleep(left + 0.1)


async def ask(frontend: Frontend, endpoint: str, token: str, **more: object) -> Answer:
    return await frontend.post(endpoint, {"apiKey": frontend.key, "manageToken": token} | more)


async def by_mail(world: World, frontend: Frontend, username: str = "alice") -> Answer:
    """Log in with a mailed code, and return the answer with its manageToken."""
    before = len(mailed_codes(world))
    opened = await frontend.authenticate(username, authType="EMAIL")
    assert opened.status == 200, opened.body
    won = await frontend.login(opened, await mailed_code(world, before + 1))
    assert won.status == 200, won.body
    return won


async def methods(world: World, frontend: Frontend) -> list[str]:
    """What alice would be asked for; a mail that is sent for it has arrived."""
    before = len(mailed_codes(world))
    opened = await frontend.authenticate()
    assert opened.status == 200, opened.body
    if opened["authType"] == "EMAIL":
        await mailed_code(world, before + 1)
    return opened["methods"]


def mailed_codes(world: World) -> list[str]:
    return [code_in(mail) for mail in world.mailbox.mails if mail.parsed["Subject"] == "Your code"]


async def mailed_code(world: World, number: int) -> str:
    """The code in the mail of that number, notices not counted."""
    await world.eventually(lambda: len(mailed_codes(world)) >= number)
    return mailed_codes(world)[number - 1]


async def enrol(world: World, frontend: Frontend, username: str = "alice", *, current: str | None = None) -> Enrolled:
    """Enrol an app with the code of the step before, so that the present one is still unspent.

    *current* is a code of the app that it replaces.
    """
    token = (await by_mail(world, frontend, username))["manageToken"]
    secret = (await ask(frontend, "totp/enroll", token))["secret"]
    await early_in_a_step()
    proof = {"currentOtp": current} if current else {}
    confirmed = await ask(frontend, "totp/confirm", token, otp=app_code(secret, world.clock() - STEP), **proof)
    assert confirmed.status == 200, confirmed.body
    # The mail about it, so that a test which counts mails may begin here.
    await world.eventually(lambda: "app was added" in world.mailbox.mails[-1].parsed["Subject"])
    return Enrolled(secret=secret, codes=confirmed["recoveryCodes"], token=confirmed["manageToken"])


async def mail_about(world: World, subject: str) -> str:
    """What the one mail with that subject says."""
    await world.eventually(lambda: subject in subjects(world))
    [told] = [mail.plain for mail in world.mailbox.mails if mail.parsed["Subject"] == subject]
    return told


def subjects(world: World) -> list[str]:
    return [mail.parsed["Subject"] for mail in world.mailbox.mails]
