"""/headless/resend: the same code again, which buys neither time nor guesses."""

from tests.flows.steps import all_ended
from tests.world import code_in, wrong


async def test_a_resend_repeats_the_code(world, frontend):
    opened = await frontend.authenticate()
    code = await world.code(1)

    again = await frontend.resend(opened)

    assert again.status == 200
    assert again.body == opened.body | {"resendsLeft": 2, "expiresIn": again["expiresIn"]}
    assert await world.code(2) == code
    assert (await frontend.login(opened, code)).status == 200


async def test_a_resend_buys_no_guesses_and_no_time(world, frontend):
    opened = await frontend.authenticate()
    code = await world.code()
    for _ in range(3):
        await frontend.login(opened, wrong(code))
    world.clock.ahead = 100

    again = await frontend.resend(opened)

    assert 195 <= again["expiresIn"] <= 200
    assert (await frontend.login(opened, wrong(code)))["attemptsLeft"] == 1
    assert (await frontend.login(opened, wrong(code)))["attemptsLeft"] == 0
    assert (await frontend.login(opened, code)).code == "transaction_closed"


async def test_resends_are_few(world, frontend):
    opened = await frontend.authenticate()
    left = [(await frontend.resend(opened))["resendsLeft"] for _ in range(3)]

    more = await frontend.resend(opened)

    assert left == [2, 1, 0]
    assert (more.status, more.code) == (429, "too_soon")
    assert 290 <= int(more.headers["Retry-After"]) <= 300
    assert (await frontend.login(opened, await world.code())).status == 200


async def test_too_soon_says_truly_when(world):
    async with world.open_gateway(code={"resend_wait_seconds": 60}) as frontend:
        opened = await frontend.authenticate()
        early = await frontend.resend(opened)
        wait = int(early.headers["Retry-After"])
        world.clock.ahead = wait - 2
        still = await frontend.resend(opened)
        world.clock.ahead = wait
        then = await frontend.resend(opened)

    assert opened["resendIn"] == 60
    assert (early.status, early.code) == (429, "too_soon")
    assert 58 <= wait <= 60
    assert early.body.keys() == {"username", "status", "message", "code"}
    assert still.code == "too_soon"
    assert then.status == 200
    assert then["resendIn"] == 60
    assert len(world.mailbox.mails) <= 2


async def test_too_soon_costs_no_resend(world):
    async with world.open_gateway(code={"resend_wait_seconds": 60}) as frontend:
        opened = await frontend.authenticate()
        for _ in range(5):
            await frontend.resend(opened)
        world.clock.ahead = 61

        assert (await frontend.resend(opened))["resendsLeft"] == 2


async def test_an_expired_login_is_not_sent_again(world, frontend):
    opened = await frontend.authenticate()
    await world.code()
    world.clock.ahead = 301

    answer = await frontend.resend(opened)

    assert (answer.status, answer.code) == (403, "transaction_closed")
    await all_ended(world)
    assert len(world.mailbox.mails) == 1


async def test_nobody_can_switch_to_a_method_that_was_not_offered(world, frontend):
    opened = await frontend.authenticate()
    code = await world.code()

    for method in ("SMS", "GOOGLE AUTHENTICATOR", "RECOVERY CODE", "email", "NONE", "x" * 128):
        answer = await frontend.resend(opened, switchTo=method)
        assert (answer.status, answer.code) == (403, "not_enrolled")
    assert (await frontend.login(opened, code)).status == 200


async def test_switching_repeats_the_code_on_the_other_channel(world):
    async with world.open_gateway(channels={"sms": {"kind": "console"}}, method="SMS") as frontend:
        opened = await frontend.authenticate()
        switched = await frontend.resend(opened, switchTo="EMAIL")
        code = await world.code()

        assert opened["authType"] == "SMS"
        assert (switched["authType"], switched["destination"]) == ("EMAIL", "a•••@e••••.test")
        assert (await frontend.login(opened, code)).code == "transaction_closed"
        assert (await frontend.login(switched, code)).status == 200


async def test_both_channels_carry_the_same_code(world, capsys):
    async with world.open_gateway(channels={"sms": {"kind": "console"}}) as frontend:
        opened = await frontend.authenticate(authType="SMS AND EMAIL")
        code = await world.code()

        assert (await frontend.login(opened, code)).status == 200


async def test_the_mail_of_a_resend_goes_to_the_address_that_was_read_at_the_start(world, frontend):
    opened = await frontend.authenticate()
    await world.code()
    world.drupal.accounts.change(2, mail="thief@example.test")

    await frontend.resend(opened)

    assert (await world.mailbox.mail(2)).recipients == ("alice@example.test",)


async def test_a_resend_asks_drupal_nothing(world, frontend):
    opened = await frontend.authenticate()
    before = len(world.drupal.calls)

    await frontend.resend(opened)

    assert len(world.drupal.calls) == before


async def test_a_used_login_is_not_sent_again(world, frontend):
    opened = await frontend.authenticate()
    await frontend.login(opened, await world.code())

    assert (await frontend.resend(opened)).code == "transaction_closed"
    assert [code_in(mail) for mail in world.mailbox.mails] == [await world.code()]
