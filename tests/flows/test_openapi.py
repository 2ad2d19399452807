"""The OpenAPI document: complete, and true of every answer that a machine can provoke."""

import asyncio
import copy
import json
import os
import sys

import pytest

from gateway.auth_types import ENROLLED, METHODS
from gateway.web.headless import openapi
from gateway.web.headless.routes import ENDPOINTS
from tests.flows.apps import app_code
from tests.world import KEY, cookie_pair, wrong

EXAMPLES = 500 if os.environ.get("HEADGATE_LONG") else 25
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
)
ALL_METHODS = [*METHODS, *ENROLLED]


@pytest.fixture
def store():
    return {"kind": "memory"}


# Some endpoints would otherwise only answer that they are off.
ALL_ON = {"totp": {"enabled": True}, "policy": {"remember": {"days": 30}}}


@pytest.fixture
async def frontend(world):
    async with world.open_gateway(**ALL_ON) as made:
        yield made


@pytest.fixture(scope="module")
def document():
    return openapi.document(ENDPOINTS)


@pytest.fixture(scope="module")
def schemas(document):
    return document["components"]["schemas"]


def operations(document):
    return {path: methods["post"] for path, methods in document["paths"].items()}


def answer_of(operation, status="200"):
    return operation["responses"][status]["content"]["application/json"]


async def test_the_document_is_served_as_it_is_made(frontend, document):
    async with frontend._http.get(f"{frontend.url}/headless/openapi.json") as response:
        assert response.status == 200
        assert await response.json() == json.loads(json.dumps(document))


def test_every_endpoint_has_a_summary_a_description_and_a_known_tag(document):
    tags = {tag["name"] for tag in document["tags"]}

    assert {one["operationId"] for one in operations(document).values()} == {endpoint.name for endpoint in ENDPOINTS}
    for operation in operations(document).values():
        assert operation["summary"]
        assert operation["description"].endswith(".")
        assert set(operation["tags"]) <= tags


def test_every_schema_has_a_title_and_a_description(schemas):
    assert [name for name, schema in schemas.items() if not (schema["title"] and schema["description"])] == []


def test_every_auth_type_that_a_client_can_send_is_listed(schemas):
    assert schemas["AuthType"]["enum"] == ALL_METHODS


def test_the_answers_of_authenticate_are_told_apart_by_their_auth_type(document):
    schema = answer_of(operations(document)["/headless/authenticate"])["schema"]

    mapping = schema["discriminator"]["mapping"]
    assert schema["discriminator"]["propertyName"] == "authType"
    assert mapping.pop("NONE") == "#/components/schemas/NoCodeNeeded"
    assert mapping == dict.fromkeys(ALL_METHODS, "#/components/schemas/CodeNeeded")


def test_an_optional_key_may_be_missing_and_has_neither_default_nor_null(schemas):
    for schema in schemas.values():
        for key in schema.get("properties", {}).values():
            assert "default" not in key
            assert "null" not in json.dumps(key)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_the_example_of_a_request_is_a_request(document, endpoint):
    content = operations(document)[endpoint.path]["requestBody"]["content"]["application/json"]

    assert endpoint.request.model_validate(content["example"])


def test_an_answer_that_makes_the_client_wait_says_so(document):
    for operation in operations(document).values():
        for status, response in operation["responses"].items():
            assert ("Retry-After" in response["headers"]) == (status in ("429", "503"))


async def test_every_answer_has_the_documented_keys_in_their_order(frontend, world, schemas):
    """What each endpoint answers, against the model that it is documented with."""
    opened = await frontend.authenticate()
    code = await world.code()
    status = await frontend.status(opened)
    refused = await frontend.login(opened, wrong(code))
    world.clock.ahead += 61
    resent = await frontend.resend(opened)
    login = await frontend.login(opened, code, remember=True)
    exempt = await frontend.authenticate(rememberToken=login["rememberToken"])
    managing = {"apiKey": KEY, "manageToken": login["manageToken"]}
    proposed = await frontend.post("totp/enroll", managing)
    confirmed = await frontend.post("totp/confirm", managing | {"otp": app_code(proposed["secret"], world.clock())})
    managing["manageToken"] = confirmed["manageToken"]
    renewed = await frontend.post("recovery-codes", managing)
    removed = await frontend.post("totp/remove", managing | {"otp": renewed["recoveryCodes"][0]})
    logout = await frontend.logout(cookie_pair(login.cookies[0]), login["session"]["logout_token"])
    cancelled = await frontend.cancel(await frontend.authenticate())
    answers = {
        "CodeNeeded": opened,
        "StatusAnswer": status,
        "Failed": refused,
        "ResendAnswer": resent,
        "LoginAnswer": login,
        "NoCodeNeeded": exempt,
        "TotpEnrollAnswer": proposed,
        "TotpConfirmAnswer": confirmed,
        "RecoveryCodesAnswer": renewed,
        "TotpRemoveAnswer": removed,
        "LogoutAnswer": logout,
        "CancelAnswer": cancelled,
        "Problem": await frontend.authenticate("alice", "wrong"),
    }

    assert answers.keys() == {"Failed", "Problem"} | {
        openapi.name_of(model) for endpoint in ENDPOINTS for model in endpoint.answers
    }
    for name, answer in answers.items():
        keys = list(answer.body)
        assert keys == [key for key in schemas[name]["properties"] if key in keys], name
        assert set(schemas[name]["required"]) <= set(keys), name


async def test_no_generated_request_is_answered_otherwise_than_documented(world, document, tmp_path):
    document = copy.deepcopy(document)
    for endpoint in ENDPOINTS:
        # With the right key, or every request would end at the wrong one.
        document["components"]["schemas"][openapi.name_of(endpoint.request)]["properties"]["apiKey"] = {"const": KEY}
    path = tmp_path / "openapi.json"
    path.write_text(json.dumps(document))

    async with world.open_gateway(**ALL_ON) as frontend:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-W", "ignore", "-m", "schemathesis.cli", "run", str(path), "--url", frontend.url),
            *("--checks", ",".join(CHECKS), "--max-examples", str(EXAMPLES), "--phases", "coverage,fuzzing"),
            *("--mode", "all", "--workers", "4", "--seed", "1", "--no-color", "--generation-database", "none"),
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        told, _ = await asyncio.wait_for(process.communicate(), 600)

    assert process.returncode == 0, told.decode()[-4000:]
    # The examples have the right password: what waits for its code ends with the gateway. Nobody was logged in.
    assert not world.drupal.ledger.alive()
