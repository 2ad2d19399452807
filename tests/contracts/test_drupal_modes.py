"""Every Drupal mode keeps the contract of Authenticator."""

import asyncio
from dataclasses import replace

import pytest

from gateway.demo.drupal.server import SimulatedDrupal, running
from gateway.demo.drupal.site import DrupalOptions
from gateway.drupal import SessionOptions
from gateway.errors import Malformed
from gateway.interfaces import HandOver
from tests.contracts.authenticator_contract import ALICE, NOTHING_SENT, VISITOR, AuthenticatorContract
from tests.world import SESSION_NAME

NAME = "SESS" + "0a" * 16


class TestSession(AuthenticatorContract):
    def opened_at(self, url, *, timeout_seconds):
        return SessionOptions(url=url, timeout_seconds=timeout_seconds, phone_field="field_phone").open()

    def frontend_headers(self, handed: HandOver) -> dict[str, str]:
        [line] = handed.cookies
        return {"Cookie": line.partition(";")[0]}

    async def test_drupals_own_cookie_line_and_tokens_are_handed_over(self, drupal, authenticator, credential):
        [session] = drupal.ledger.alive()

        handed = authenticator.hand_over(credential)

        assert handed.cookies[0].startswith(f"{session.cookie}={session.value}; ")
        assert handed.session == {"csrf_token": session.csrf_token, "logout_token": session.logout_token}

    async def test_logging_out_deletes_the_cookie_in_the_browser(self, authenticator, credential):
        [line] = (await authenticator.log_out(credential, visitor=VISITOR)).cookies

        assert line.startswith(f"{credential.cookie_name}=deleted; ")
        assert "Max-Age=0" in line

    async def test_a_visitors_wrong_logout_token_leaves_no_session_that_is_said_to_be_gone(
        self, drupal, authenticator, credential
    ):
        await authenticator.log_out(replace(credential, logout_token="not-its-token"), visitor=VISITOR)

        assert drupal.ledger.alive() == []

    async def test_a_cookie_without_its_logout_token_is_malformed(self, authenticator):
        with pytest.raises(Malformed):
            authenticator.credentials_in(**NOTHING_SENT | {"cookie_header": f"{NAME}=value"})

    def found(self, authenticator, *cookies: str) -> list[tuple[str, str, str]]:
        sent = NOTHING_SENT | {"cookie_header": "; ".join(cookies), "logout_token": "token"}
        return [(one.cookie_name, one.cookie_value, one.logout_token) for one in authenticator.credentials_in(**sent)]

    async def test_of_several_session_cookies_the_one_with_drupals_own_name_counts(self, authenticator):
        sent = (f"{NAME}=one", "lang=de", f"{SESSION_NAME}=two", f"S{SESSION_NAME}=three", f"{SESSION_NAME}=four")

        assert self.found(authenticator, *sent) == [(SESSION_NAME, "two", "token")]

    async def test_before_the_first_login_one_cookie_of_another_name_may_be_the_sites(self, authenticator):
        """A site can name its cookie as it likes."""
        assert self.found(authenticator, f"{NAME}=one", f"S{NAME}=two") == [(NAME, "one", "token")]

    async def test_after_a_login_only_the_sites_names_count(self, authenticator, credential):
        assert credential.cookie_name == SESSION_NAME
        assert self.found(authenticator, f"{NAME}=one", f"S{NAME}=two") == []
        assert self.found(authenticator, f"{SESSION_NAME}=three") == [(SESSION_NAME, "three", "token")]

    async def test_a_name_that_only_a_login_has_shown_counts_too(self):
        """For an address of https, `SSESS…` is expected. This Drupal does not trust the gateway, and calls it `SESS…`."""
        async with running(SimulatedDrupal(DrupalOptions())) as url:
            options = SessionOptions(url=url, public_url=url.replace("http:", "https:"))
            async with options.open() as authenticator:
                await authenticator.authenticate(**ALICE, visitor=VISITOR, late=lambda _: asyncio.sleep(0))

                sent = self.found(authenticator, f"{NAME}=one", f"{SESSION_NAME}=two")
                expected = self.found(authenticator, f"S{SESSION_NAME}=three")

        assert sent == [(SESSION_NAME, "two", "token")]
        assert expected == [(f"S{SESSION_NAME}", "three", "token")]

    async def test_a_cookie_that_the_browser_must_reject_is_said_with_what_to_change(self, authenticator, credential):
        handed = authenticator.hand_over(credential)

        [unusable] = authenticator.unusable_cookies(handed, public_url="https://www.example.org")

        assert unusable.reason == "not_secure"
        assert "reverse_proxy" in unusable.change

    async def test_nothing_is_asked_when_an_account_need_not_be_read(self, site, drupal, late):
        async with SessionOptions(url=site[1], contacts="off").open() as authenticator:
            credential = await authenticator.authenticate(**ALICE, visitor=VISITOR, late=late)
            account = await authenticator.describe(credential, visitor=VISITOR)

        assert (account.mail, account.profile["name"]) == (None, [{"value": "alice"}])
        assert [call.method for call in drupal.calls] == ["POST"]
