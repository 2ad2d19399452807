"""As many accounts as a test wants, and the codes that were mailed to each."""

from gateway.demo.drupal.accounts import User
from tests.smtp_server import Mail
from tests.world import CODE, World


def crowd(number: int) -> User:
    return User(
        uid=1000 + number,
        name=f"visitor{number}",
        password=f"visitor-pass-{number}",
        mail=f"visitor{number}@example.test",
    )


def codes_for(world: World, user: User) -> list[str]:
    """The code of each mail with one that *user* received."""
    return [CODE.search(mail.plain)[0] for mail in mails_to(world, user) if CODE.search(mail.plain)]


def mails_to(world: World, user: User) -> list[Mail]:
    return [mail for mail in world.mailbox.mails if mail.recipients == (user.mail,)]


def warnings_in(world: World) -> list[Mail]:
    return [mail for mail in world.mailbox.mails if mail.parsed["Subject"].startswith("Somebody knows your password")]


async def code_for(world: World, user: User, number: int = 1, *, seconds: float = 15) -> str:
    """The code in the mail of that number to *user*."""
    await world.eventually(lambda: len(codes_for(world, user)) >= number, seconds=seconds)
    return codes_for(world, user)[number - 1]
