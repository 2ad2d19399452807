"""A frontend that was written for the module's Headless API, with a new base URL and nothing else.

It posts the three and the five keys that the module asks for, and reads only those that the module answers with.
"""

import aiohttp
import pytest

from tests.world import KEY, wrong


class ModuleFrontend:
    """What people have written: no header but the type, no look at the HTTP status, only the module's keys."""

    READ_AFTER_THE_PASSWORD = ("username", "status", "message", "transactionID", "authType")
    READ_AFTER_THE_CODE = ("username", "status", "message", "userprofile")

    def __init__(self, url):
        self.url = url
        self.http = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar())

    async def post(self, path, keys):
        async with self.http.post(f"{self.url}{path}", json=keys) as response:
            return await response.json()

    async def password(self, username, password):
        answer = await self.post("/headless/authenticate", {"username": username, "password": password, "apiKey": KEY})
        return {key: answer.get(key) for key in self.READ_AFTER_THE_PASSWORD}

    async def code(self, told, otp):
        keys = {key: told[key] for key in ("username", "transactionID", "authType")}
        answer = await self.post("/headless/login", keys | {"otp": otp, "apiKey": KEY})
        return {key: answer.get(key) for key in self.READ_AFTER_THE_CODE}


@pytest.fixture
async def module_frontend(frontend):
    made = ModuleFrontend(frontend.url)
    yield made
    await made.http.close()


async def test_it_logs_in_unchanged(world, module_frontend):
    told = await module_frontend.password("alice", "alice-pass-1")
    done = await module_frontend.code(told, await world.code())

    assert (told["username"], told["status"], told["authType"]) == ("alice", "SUCCESS", "EMAIL")
    assert told["message"]
    assert (done["username"], done["status"]) == ("alice", "SUCCESS")
    assert done["userprofile"]["uid"] == [{"value": 2}]
    assert done["userprofile"]["name"] == [{"value": "alice"}]


async def test_it_sees_a_wrong_password_as_an_error(module_frontend):
    told = await module_frontend.password("alice", "nope")

    assert (told["username"], told["status"], told["transactionID"]) == ("alice", "ERROR", None)
    assert told["message"]


async def test_it_sees_a_wrong_code_as_failed_and_may_try_again(world, module_frontend):
    told = await module_frontend.password("alice", "alice-pass-1")
    code = await world.code()

    failed = await module_frontend.code(told, wrong(code))
    done = await module_frontend.code(told, code)

    assert (failed["username"], failed["status"], failed["userprofile"]) == ("alice", "FAILED", None)
    assert done["status"] == "SUCCESS"


async def test_switched_off_it_reads_the_modules_own_sentence(world):
    async with world.open_gateway(headless={"enabled": False}) as frontend:
        module_frontend = ModuleFrontend(frontend.url)
        answer = await module_frontend.post(
            "/headless/authenticate", {"username": "alice", "password": "x", "apiKey": KEY}
        )
        await module_frontend.http.close()

    assert answer["status"] == "ERROR"
    assert answer["message"] == "Something went wrong, please contact your administrator."


async def test_an_unknown_key_reads_as_the_module_says_it(module_frontend):
    answer = await module_frontend.post("/headless/authenticate", {"username": "alice", "password": "x", "apiKey": "?"})

    assert (answer["status"], answer["message"]) == ("ERROR", "Authentication failed")


async def test_more_keys_than_asked_for_do_no_harm(world, module_frontend):
    keys = {"username": "alice", "password": "alice-pass-1", "apiKey": KEY, "phone": "", "transactionID": None}

    assert (await module_frontend.post("/headless/authenticate", keys))["status"] == "SUCCESS"
