"""/headless/login: the right code hands Drupal's session over, once."""

from tests.world import cookie_pair, wrong


async def test_the_right_code_hands_drupals_session_over(world, frontend):
    opened = await frontend.authenticate()

    answer = await frontend.login(opened, await world.code())

    assert answer.status == 200
    assert answer["status"] == "SUCCESS"
    assert answer["userprofile"]["name"] == [{"value": "alice"}]
    assert answer["userprofile"]["mail"] == [{"value": "alice@example.test"}]
    session = world.drupal.ledger.by_value(cookie_pair(answer.cookies[0]).partition("=")[2])
    assert session.is_alive
    assert answer["session"] == {"csrf_token": session.csrf_token, "logout_token": session.logout_token}


async def test_a_wrong_code_counts_down_and_hands_nothing_over(world, frontend):
    opened = await frontend.authenticate()

    answer = await frontend.login(opened, wrong(await world.code()))

    assert (answer.status, answer.code, answer["attemptsLeft"]) == (403, "wrong_otp", 4)
    assert answer["transactionID"] == opened["transactionID"]
    assert not answer.cookies
