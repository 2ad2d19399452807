"""/headless/login: the right code hands Drupal's session over, once."""

import asyncio

import pytest

from gateway.demo.drupal.site import DrupalOptions
from gateway.drupal.contacts import Contacts
from tests.flows.steps import alike, all_ended, closed_one, session_of
from tests.wire import line, request
from tests.world import OTHER_KEY, SERVER_KEY, cookie_pair, pending, wrong

MODULES = {"stock": (), "jsonapi": ("jsonapi",), "rest": ("rest",), "both": ("jsonapi", "rest")}


class TestEveryDrupal:
    @pytest.fixture(params=["10", "11"])
    def version(self, request):
        return request.param

    @pytest.fixture(params=list(MODULES))
    def drupal_options(self, request, version):
        return DrupalOptions(version=version, modules=frozenset(MODULES[request.param]))

    async def test_the_right_code_hands_drupals_session_over(self, world, frontend):
        opened = await frontend.authenticate()

        answer = await frontend.login(opened, await world.code())

        assert answer.status == 200
        assert answer["status"] == "SUCCESS"
        assert answer["userprofile"]["uid"] == [{"value": 2}]
        assert answer["userprofile"]["name"] == [{"value": "alice"}]
        assert answer["userprofile"]["mail"] == [{"value": "alice@example.test"}]
        assert answer["userprofile"]["field_phone"] == [{"value": "+15550100001"}]
        session = session_of(world, answer)
        assert session.is_alive
        assert answer["session"] == {"csrf_token": session.csrf_token, "logout_token": session.logout_token}

    async def test_the_cookie_opens_drupal_and_is_its_own_line_byte_for_byte(self, world, frontend):
        opened = await frontend.authenticate()

        answer = await frontend.login(opened, await world.code())

        [cookie] = answer.cookies
        assert "; Max-Age=2000000; path=/; HttpOnly; SameSite=Lax" in cookie
        async with frontend._http.get(
            f"{world.drupal_url}/user/login_status?_format=json", headers={"Cookie": cookie_pair(cookie)}
        ) as status:
            assert await status.text() == "1"

    async def test_a_wrong_password_is_refused(self, world, frontend):
        answer = await frontend.authenticate("alice", "nope")

        assert (answer.status, answer.code) == (401, "credentials")
        assert not world.drupal.ledger.sessions


@pytest.fixture
async def opened(frontend):
    return await frontend.authenticate()


async def test_a_wrong_code_counts_down_and_hands_nothing_over(world, frontend, opened):
    answer = await frontend.login(opened, wrong(await world.code()))

    assert answer.status == 403
    assert answer.body == {
        "username": "alice",
        "transactionID": opened["transactionID"],
        "authType": "EMAIL",
        "status": "FAILED",
        "message": answer["message"],
        "code": "wrong_otp",
        "attemptsLeft": 4,
    }
    assert not answer.cookies


async def test_the_last_wrong_code_closes_it_and_the_session_ends(world, frontend, opened):
    code = await world.code()

    answers = [await frontend.login(opened, wrong(code)) for _ in range(5)]

    assert [(answer.code, answer["attemptsLeft"]) for answer in answers] == [("wrong_otp", n) for n in (4, 3, 2, 1, 0)]
    assert (await frontend.login(opened, code)).code == "transaction_closed"
    await all_ended(world)


async def test_the_fifth_code_may_still_be_the_right_one(world, frontend, opened):
    code = await world.code()
    for _ in range(4):
        await frontend.login(opened, wrong(code))

    assert (await frontend.login(opened, code)).status == 200


@pytest.mark.parametrize("typed", ["{0} {1}", "{0}-{1}", " {0}{1}\n", "\u200b{0} – {1}"])
async def test_a_code_may_be_pasted_as_it_was_found(world, frontend, opened, typed):
    code = await world.code()

    assert (await frontend.login(opened, typed.format(code[:3], code[3:]))).status == 200


async def test_full_width_digits_are_digits(world, frontend, opened):
    code = (await world.code()).translate({ord("0") + n: 0xFF10 + n for n in range(10)})

    assert (await frontend.login(opened, code)).status == 200


async def test_whatever_is_no_code_is_a_wrong_one(world):
    typed = ["", " ", "abcdef", "12345", "1234567", "0" * 64, "½½½½½½", "null", "\ufdfa"]
    async with world.open_gateway(code={"attempts": 20}) as frontend:
        opened = await frontend.authenticate()
        answers = [await frontend.login(opened, each) for each in typed]

    assert [(answer.status, answer.code) for answer in answers] == [(403, "wrong_otp")] * len(typed)
    assert [answer["attemptsLeft"] for answer in answers] == list(range(19, 19 - len(typed), -1))


async def test_a_code_works_once(world, frontend, opened):
    code = await world.code()
    assert (await frontend.login(opened, code)).status == 200

    again = await frontend.login(opened, code)

    assert (again.status, again.code, again["attemptsLeft"]) == (403, "transaction_closed", 0)
    assert len(world.drupal.ledger.alive()) == 1


async def test_a_code_of_another_login_of_the_same_person_is_wrong(world, frontend):
    await frontend.authenticate()
    first_code = await world.code(1)
    second = await frontend.authenticate()
    await world.code(2)

    assert (await frontend.login(second, first_code)).code == "wrong_otp"


async def test_a_code_expires(world, frontend, opened):
    code = await world.code()
    world.clock.ahead = 301

    late = await frontend.login(opened, code)

    assert (late.status, late.code) == (403, "transaction_closed")
    await all_ended(world)


async def test_a_code_lives_to_its_last_second(world, frontend, opened):
    code = await world.code()
    world.clock.ahead = 298

    assert (await frontend.login(opened, code)).status == 200


async def test_a_code_lives_as_long_as_was_told_however_slowly_the_account_was_read(world, monkeypatch):
    read = Contacts.read

    async def slowly(self, session, get):
        account = await read(self, session, get)
        await asyncio.sleep(2)
        return account

    monkeypatch.setattr(Contacts, "read", slowly)
    async with world.open_gateway(code={"lifetime_seconds": 10}) as frontend:
        opened = await frontend.authenticate()
        code = await world.code()
        world.clock.ahead = opened["expiresIn"] - 1
        await asyncio.sleep(0.2)

        answer = await frontend.login(opened, code)

    assert opened["expiresIn"] <= 8
    assert answer.status == 200


async def test_the_reaper_ends_what_nobody_finished(world, frontend, opened):
    await frontend.authenticate("bob")
    world.clock.ahead = 301

    await all_ended(world)
    assert len(world.drupal.ledger.sessions) == 2


async def test_a_session_that_was_handed_over_is_left_alone(world, frontend, opened):
    answer = await frontend.login(opened, await world.code())
    await world.answers_handed_over()
    world.clock.ahead = 3 * 86_400
    await frontend.authenticate("bob")
    world.clock.ahead += 301

    await world.eventually(lambda: not world.drupal.ledger.alive(3))

    assert session_of(world, answer).is_alive


FOREIGN = {
    "another username": {"username": "bob"},
    "another spelling of the username": {"username": "ALICE"},
    "another authType": {"authType": "SMS"},
    "an authType in lower case": {"authType": "email"},
    "another client's valid apiKey": {"apiKey": OTHER_KEY},
    "a server client's valid apiKey": {"apiKey": SERVER_KEY},
    "another id": {"transactionID": "y" * 43},
    "an empty id": {"transactionID": ""},
    "an id with a byte more": {"transactionID": "{id}x"},
    "an id that names a key": {"transactionID": "../headgate:tx"},
}


ASKS_FOR = {"login": ("authType", "otp"), "resend": ("authType",), "status": (), "cancel": ()}


@pytest.mark.parametrize("endpoint", ASKS_FOR)
async def test_whoever_did_not_open_it_gets_the_bytes_of_an_unknown_one(world, frontend, opened, endpoint):
    code = await world.code()
    everything = pending(opened) | {"authType": "EMAIL", "otp": code, "apiKey": frontend.key}
    asked_for = ("username", "transactionID", "apiKey", *ASKS_FOR[endpoint])
    right = {key: everything[key] for key in asked_for}

    unknown = await frontend.post(endpoint, right | {"transactionID": "z" * 43})

    for foreign, changes in FOREIGN.items():
        changed = {key: value.format(id=opened["transactionID"]) for key, value in changes.items()}
        if changed.keys() <= right.keys():
            answer = await frontend.post(endpoint, right | changed)
            assert (answer.status, answer.code, answer["attemptsLeft"]) == (403, "transaction_closed", 0), foreign
            assert alike(answer) == alike(unknown), foreign
    assert (await frontend.login(opened, code)).status == 200


async def test_every_closed_transaction_answers_with_the_same_bytes(world, frontend):
    used, spent, cancelled, expired = [await frontend.authenticate(name) for name in ("alice", "bob", "dave", "admin")]
    codes = {mail.recipients[0].partition("@")[0]: await world.code(n) for n, mail in await mails(world, 4)}
    assert (await frontend.login(used, codes["alice"])).status == 200
    for _ in range(5):
        await frontend.login(spent, wrong(codes["bob"]))
    await frontend.cancel(cancelled)

    answers = [await frontend.login(used, codes["alice"]), await frontend.login(spent, codes["bob"])]
    answers.append(await frontend.login(cancelled, codes["dave"]))
    world.clock.ahead = 301
    answers.append(await frontend.login(expired, codes["admin"]))

    unknown = alike(await closed_one(frontend))
    assert [alike(answer) for answer in answers] == [unknown] * 4


async def mails(world, count):
    return [(number, await world.mailbox.mail(number)) for number in range(1, count + 1)]


async def test_a_wrong_username_costs_no_attempt(world, frontend, opened):
    code = await world.code()
    for _ in range(6):
        await frontend.login(opened, wrong(code), username="bob")

    assert (await frontend.login(opened, wrong(code)))["attemptsLeft"] == 4


async def in_parallel(world, bodies):
    """Open every connection first, then send all requests in one turn; return the answers."""
    async with asyncio.TaskGroup() as group:
        lines = [line(world.url) for _ in bodies]
        opened = [await one.__aenter__() for one in lines]
        for one, body in zip(opened, bodies, strict=True):
            one.writer.write(request("login", body))
        answers = [group.create_task(one.reply()) for one in opened]
    for one in lines:
        await one.__aexit__(None, None, None)
    return [task.result() for task in answers]


async def test_of_fifty_right_answers_at_once_exactly_one_wins(world, frontend, opened):
    body = pending(opened) | {"authType": "EMAIL", "otp": await world.code(), "apiKey": frontend.key}

    answers = await in_parallel(world, [body] * 50)

    assert sorted(answer.status for answer in answers) == [200] + [403] * 49
    assert {answer.code for answer in answers if answer.status == 403} == {"transaction_closed"}
    assert sum("Set-Cookie" in answer.headers for answer in answers) == 1
    assert len(world.drupal.ledger.alive()) == 1


@pytest.mark.parametrize("attempts", [1, 3, 5])
async def test_of_fifty_wrong_answers_at_once_exactly_as_many_are_compared_as_there_are_attempts(world, attempts):
    async with world.open_gateway(code={"attempts": attempts}) as frontend:
        opened = await frontend.authenticate()
        code = await world.code()
        body = pending(opened) | {"authType": "EMAIL", "apiKey": frontend.key}

        answers = await in_parallel(world, [body | {"otp": wrong(code)}] * 50)

        told = [answer.code for answer in answers]
        assert told.count("wrong_otp") == attempts
        assert told.count("transaction_closed") == 50 - attempts
        left = sorted(answer.body["attemptsLeft"] for answer in answers if answer.code == "wrong_otp")
        assert left == list(range(attempts))
        assert (await frontend.login(opened, code)).code == "transaction_closed"
        await all_ended(world)


async def test_right_and_wrong_answers_at_once_never_win_twice(world, frontend, opened):
    code = await world.code()
    body = pending(opened) | {"authType": "EMAIL", "apiKey": frontend.key}

    answers = await in_parallel(world, [body | {"otp": code if n % 5 == 4 else wrong(code)} for n in range(40)])

    assert [answer.status for answer in answers].count(200) <= 1
    assert [answer.code for answer in answers if answer.status != 200].count("wrong_otp") <= 5


async def test_no_profile_field_leaves_that_nobody_allowed(world):
    async with world.open_gateway(drupal={"profile_fields": ["uid", "name"], "phone_field": None}) as frontend:
        opened = await frontend.authenticate()
        answer = await frontend.login(opened, await world.code())

    assert answer["userprofile"] == {"uid": [{"value": 2}], "name": [{"value": "alice"}]}


async def test_the_name_is_drupals_own_however_it_was_typed(world, frontend):
    opened = await frontend.authenticate("ALICE", "alice-pass-1")

    answer = await frontend.login(opened, await world.code())

    assert (answer["username"], answer["userprofile"]["name"]) == ("ALICE", [{"value": "alice"}])


async def test_roles_are_shown_to_whom_drupal_shows_them(world, frontend):
    opened = await frontend.authenticate("admin")

    answer = await frontend.login(opened, await world.code())

    assert answer["userprofile"]["roles"] == [{"target_id": "administrator"}]


async def test_asking_to_be_remembered_is_no_error(world, frontend, opened):
    assert (await frontend.login(opened, await world.code(), remember=True)).status == 200


class TestACommaInTheCookie:
    @pytest.fixture(params=["10", "11"])
    def drupal_options(self, request):
        return DrupalOptions(version=request.param, commas=True)

    async def test_it_stays_percent_encoded_on_its_way_out_and_in(self, world, frontend):
        opened = await frontend.authenticate()

        answer = await frontend.login(opened, await world.code())

        session = session_of(world, answer)
        assert "%2C" in session.value
        assert answer.cookies[0].startswith(f"{session.cookie}={session.value}; ")
        await frontend.logout(cookie_pair(answer.cookies[0]), answer["session"]["logout_token"])
        assert not session.is_alive

    async def test_the_reaper_ends_it_too(self, world, frontend):
        await frontend.authenticate()
        world.clock.ahead = 301

        await all_ended(world)
