"""The OpenAPI document: complete, and true of every answer that a machine can provoke."""

import asyncio
import copy
import json
import os
import sys

import pytest

from gateway.web.headless import openapi
from gateway.web.headless.routes import ENDPOINTS
from tests.world import KEY

EXAMPLES = 500 if os.environ.get("HEADGATE_LONG") else 25
CHECKS = ("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance")


@pytest.fixture
def store():
    return {"kind": "memory"}


@pytest.fixture
async def frontend(world):
    """With everything on, or some endpoints would only say that they are off."""
    async with world.open_gateway(totp={"enabled": True}) as made:
        yield made


def test_every_endpoint_is_described():
    assert set(openapi.OPERATIONS) == {endpoint.__name__ for endpoint in ENDPOINTS}


async def test_the_document_is_served_as_it_is_made(frontend):
    async with frontend._http.get(f"{frontend.url}/headless/openapi.json") as response:
        assert response.status == 200
        assert await response.json() == openapi.document()


async def test_no_generated_request_is_answered_otherwise_than_documented(world, frontend, tmp_path):
    document = copy.deepcopy(openapi.document())
    for operation in openapi.OPERATIONS.values():
        # With the right key, or everything would end at the wrong one.
        document["components"]["schemas"][operation.body.__name__]["properties"]["apiKey"] = {"const": KEY}
    path = tmp_path / "openapi.json"
    path.write_text(json.dumps(document))

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
    assert not world.drupal.ledger.alive()
