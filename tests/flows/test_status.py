"""/headless/status: what became of the message, and how much of everything is left."""

from tests.world import wrong


async def test_a_message_is_queued_then_sent(world, frontend):
    with world.mailbox.held("MAIL"):
        opened = await frontend.authenticate()
        queued = await frontend.status(opened)
    await world.mailbox.mail()
    sent = await eventually_not(frontend, opened, "queued")

    assert queued.status == 200
    assert queued.body == {
        "username": "alice",
        "status": "SUCCESS",
        "message": "The code is on its way.",
        "delivery": "queued",
        "authType": "EMAIL",
        "expiresIn": queued["expiresIn"],
        "resendIn": 0,
        "attemptsLeft": 5,
    }
    assert 298 <= queued["expiresIn"] <= 300
    assert sent["delivery"] == "sent"


async def test_a_refused_address_is_told_as_failed(world, frontend):
    world.mailbox.answers["RCPT"] = "550 5.1.1 no such user"
    opened = await frontend.authenticate()

    assert (await eventually_not(frontend, opened, "queued"))["delivery"] == "failed"


async def test_a_resend_starts_over(world, frontend):
    world.mailbox.once["RCPT"] = "550 5.1.1 no such user"
    opened = await frontend.authenticate()
    await eventually_not(frontend, opened, "queued")

    await frontend.resend(opened)

    assert (await eventually_not(frontend, opened, "queued"))["delivery"] == "sent"


async def test_it_counts_with_the_others(world, frontend):
    opened = await frontend.authenticate()
    await frontend.login(opened, wrong(await world.code()))
    world.clock.ahead = 100

    status = await frontend.status(opened)

    assert status["attemptsLeft"] == 4
    assert 198 <= status["expiresIn"] <= 200


async def test_it_says_when_another_message_may_be_asked_for(world):
    async with world.open_gateway(code={"resend_wait_seconds": 60}) as frontend:
        opened = await frontend.authenticate()
        world.clock.ahead = 20

        assert 38 <= (await frontend.status(opened))["resendIn"] <= 40


async def test_a_closed_login_has_no_status(world, frontend):
    opened = await frontend.authenticate()
    await frontend.login(opened, await world.code())

    answer = await frontend.status(opened)

    assert (answer.status, answer.code) == (403, "transaction_closed")
    assert answer.body.keys() == {"username", "transactionID", "status", "message", "code", "attemptsLeft"}


async def test_asking_costs_nothing(world, frontend):
    opened = await frontend.authenticate()
    before = len(world.drupal.calls)
    for _ in range(20):
        await frontend.status(opened)

    assert (await frontend.status(opened))["attemptsLeft"] == 5
    assert len(world.drupal.calls) == before


async def eventually_not(frontend, opened, word):
    for _ in range(200):
        answer = await frontend.status(opened)
        if answer["delivery"] != word:
            return answer
    raise AssertionError(word)
