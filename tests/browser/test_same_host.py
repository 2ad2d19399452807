"""The same host by path, over https at a real host name: the cookie that is handed over opens Drupal's own pages."""

import pytest

from gateway.demo.drupal.site import DrupalOptions
from tests.https_front import https_front
from tests.smtp_server import certificate, server_tls
from tests.world import KEY, a_world

pytestmark = pytest.mark.browser
HOST = "www.example.test"

# What a frontend's script does; the browser sends Origin and keeps cookies by its own rules.
POST = """([endpoint, body]) => fetch(`/headless/${endpoint}`, {
    method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body),
}).then((answer) => answer.json())"""


@pytest.mark.parametrize("version", ["10", "11"])
async def test_the_handed_over_cookie_opens_the_account_page_and_logout_deletes_it(launch, tmp_path, version):
    site = DrupalOptions(
        version=version, reverse_proxy_addresses=("127.0.0.1",), trusted_hosts=(r"^www\.example\.test$",), commas=True
    )
    async with (
        a_world(store={"kind": "memory"}, drupal=site) as world,
        world.open_gateway(public_url=f"https://{HOST}") as frontend,
        https_front({"/": world.drupal_url, "/headless/": frontend.url}, tls=server_tls(certificate(tmp_path))) as port,
    ):
        browser = await launch(f"--host-resolver-rules=MAP {HOST}:443 127.0.0.1:{port}", "--ignore-certificate-errors")
        context = await browser.new_context(ignore_https_errors=True)
        page = await context.new_page()
        await page.goto(f"https://{HOST}/")
        opened = await page.evaluate(
            POST, ["authenticate", {"username": "alice", "password": "alice-pass-1", "apiKey": KEY}]
        )
        assert await context.cookies() == []
        body = {name: opened[name] for name in ("username", "transactionID", "authType")}
        won = await page.evaluate(POST, ["login", body | {"otp": await world.code(), "apiKey": KEY}])

        (cookie,) = await context.cookies()
        assert (cookie["name"][:5], cookie["domain"], cookie["secure"]) == ("SSESS", f".{HOST}", True)
        await page.goto(f"https://{HOST}/user/2")
        assert await page.get_by_role("heading", name="alice").is_visible()

        token = won["session"]["logout_token"]
        left = await page.evaluate(POST, ["logout", {"apiKey": KEY, "logout_token": token}])

        assert left["status"] == "SUCCESS"
        assert await context.cookies() == []
        assert world.drupal.ledger.alive() == []
