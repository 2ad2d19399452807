"""The page that shows the OpenAPI document, in a browser."""

import pytest

from gateway.web.headless.routes import ENDPOINTS
from tests.world import KEY, a_world

pytestmark = pytest.mark.browser


@pytest.fixture
async def gateway():
    async with a_world(store={"kind": "memory"}) as world, world.open_gateway() as frontend:
        yield frontend


@pytest.fixture
async def page(launch, gateway):
    made = await (await launch()).new_page()
    made.problems = []
    made.on("pageerror", lambda error: made.problems.append(str(error)))
    await made.goto(f"{gateway.url}/headless/docs")
    await made.locator("details").first.wait_for()
    return made


@pytest.mark.parametrize("width", [320, 1280])
async def test_every_endpoint_is_shown_within_the_width_of_the_screen(page, width):
    await page.set_viewport_size({"width": width, "height": 900})
    operations = page.locator("summary")
    for number in range(await operations.count()):
        await operations.nth(number).click()

    assert await page.locator("summary code").all_inner_texts() == [f"POST {endpoint.path}" for endpoint in ENDPOINTS]
    assert await page.evaluate("document.documentElement.scrollWidth") == width
    assert page.problems == []


async def test_both_answers_of_authenticate_are_shown_with_their_keys(page):
    await page.get_by_text("POST /headless/authenticate").click()
    operation = page.locator("details").first

    rows = [" ".join(row.split()) for row in await operation.locator("tr").all_inner_texts()]
    assert "transactionID string Names this login in further requests." in rows
    assert "authType NONE" in rows
    assert "rememberToken string (optional) A secret that remembers this device. It works once." in rows


async def test_an_endpoint_can_be_tried(page):
    await page.get_by_label("apiKey for trying").fill(KEY)
    await page.get_by_text("POST /headless/authenticate").click()
    operation = page.locator("details").first
    await operation.get_by_label("username").fill("alice")
    await operation.get_by_label("password").fill("wrong")
    await operation.get_by_role("button", name="Send").click()

    await operation.get_by_text('"code": "credentials"\n}').last.wait_for()
    assert "401" in await operation.locator("form + pre").inner_text()
