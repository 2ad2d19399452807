"""The contract of Authenticator, against a simulated Drupal.

A mode subclasses it, and says with which options it is opened and which headers a frontend sends afterwards.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

import aiohttp
import pytest

from gateway.account import Credential, Visitor
from gateway.demo.drupal.faults import Endpoint, Fault, Gate, Kind
from gateway.demo.drupal.server import SimulatedDrupal, running
from gateway.demo.drupal.site import DrupalOptions as SiteOptions
from gateway.errors import BadCredentials, DrupalInvalid, DrupalMaintenance, DrupalTimeout, DrupalUnavailable
from gateway.interfaces import Authenticator, HandOver
from gateway.store.codec import decode_credential, encode_credential

ALICE = {"name": "alice", "password": "alice-pass-1"}
VISITOR = Visitor(address="198.51.100.7", user_agent="Firefox", accept_language="de")
NOTHING_SENT = {"cookie_header": "", "authorization": "", "logout_token": None}


class Late:
    """Takes the credentials that come after their login was given up."""

    def __init__(self) -> None:
        self.came: list[Credential] = []
        self._any = asyncio.Event()

    async def __call__(self, credential: Credential) -> None:
        self.came.append(credential)
        self._any.set()

    async def one(self) -> Credential:
        """The first that comes."""
        await asyncio.wait_for(self._any.wait(), 5)
        return self.came[0]


class AuthenticatorContract:
    # A frontend sends them, so that Drupal knows whose request it is.
    def frontend_headers(self, handed: HandOver) -> dict[str, str]:
        raise NotImplementedError

    def opened_at(self, url: str, *, timeout_seconds: float) -> AbstractAsyncContextManager[Authenticator]:
        """Open the mode on the site at *url*."""
        raise NotImplementedError

    @pytest.fixture
    async def site(self) -> AsyncIterator[tuple[SimulatedDrupal, str]]:
        drupal = SimulatedDrupal(SiteOptions(reverse_proxy_addresses=("127.0.0.1",)))
        async with running(drupal) as url:
            yield drupal, url

    @pytest.fixture
    def drupal(self, site) -> SimulatedDrupal:
        return site[0]

    @pytest.fixture
    async def authenticator(self, site) -> AsyncIterator[Authenticator]:
        async with self.opened_at(site[1], timeout_seconds=5) as opened:
            yield opened

    @pytest.fixture
    async def impatient(self, site) -> AsyncIterator[Authenticator]:
        """One that gives up after 0.2 s."""
        async with self.opened_at(site[1], timeout_seconds=0.2) as opened:
            yield opened

    @pytest.fixture
    def late(self) -> Late:
        return Late()

    @pytest.fixture
    async def credential(self, authenticator, late) -> Credential:
        return await authenticator.authenticate(**ALICE, visitor=VISITOR, late=late)

    @pytest.fixture
    def logged_in_as(self, site):
        """Asks Drupal whether a hand-over logs somebody in, as a frontend would use it."""

        async def ask(handed: HandOver) -> bool:
            headers = {**self.frontend_headers(handed), "Accept": "application/json"}
            jar = aiohttp.DummyCookieJar()
            async with (
                aiohttp.ClientSession(cookie_jar=jar) as http,
                http.get(f"{site[1]}/user/login_status?_format=json", headers=headers) as response,
            ):
                return await response.text() == "1"

        return ask

    # authenticate

    async def test_a_right_password_gives_the_users_credential(self, credential, late):
        assert credential.uid == "2"
        assert late.came == []

    async def test_drupal_checks_a_password_once_for_the_visitors_address(self, drupal, credential):
        assert drupal.login_calls == 1
        assert [call.address for call in drupal.calls if call.path.startswith("/user/login")] == [VISITOR.address]

    @pytest.mark.parametrize(("name", "password"), [("alice", "wrong"), ("nobody", "x"), ("carol", "carol-pass-1")])
    async def test_a_login_that_drupal_refuses_raises_bad_credentials(self, authenticator, late, name, password):
        with pytest.raises(BadCredentials):
            await authenticator.authenticate(name=name, password=password, visitor=VISITOR, late=late)

    @pytest.mark.parametrize(
        ("kind", "error"),
        [
            (Kind.SERVER_ERROR, DrupalInvalid),
            (Kind.HTML, DrupalInvalid),
            (Kind.REDIRECT, DrupalInvalid),
            (Kind.DROP, DrupalUnavailable),
        ],
    )
    async def test_an_answer_that_is_no_login_raises_what_it_means(self, drupal, authenticator, late, kind, error):
        drupal.fault = Fault(kind=kind, at=Endpoint.LOGIN, location="http://127.0.0.1:9/")

        with pytest.raises(error):
            await authenticator.authenticate(**ALICE, visitor=VISITOR, late=late)

    async def test_maintenance_is_told_apart(self, drupal, authenticator, late):
        drupal.maintenance = True

        with pytest.raises(DrupalMaintenance):
            await authenticator.authenticate(**ALICE, visitor=VISITOR, late=late)

    # late

    async def test_a_credential_that_comes_after_the_time_is_over_is_passed_to_late(self, drupal, impatient, late):
        drupal.fault = Fault(kind=Kind.SLOW, at=Endpoint.LOGIN, seconds=0.4)

        with pytest.raises(DrupalTimeout):
            await impatient.authenticate(**ALICE, visitor=VISITOR, late=late)

        assert (await late.one()).uid == "2"

    async def test_a_credential_that_comes_after_the_caller_has_left_is_passed_to_late(
        self, drupal, authenticator, late
    ):
        gate = drupal.gate = Gate(after_birth=True)
        login = asyncio.create_task(authenticator.authenticate(**ALICE, visitor=VISITOR, late=late))
        await gate.reached()

        login.cancel()
        await asyncio.wait([login])
        gate.release()

        assert login.cancelled()
        assert (await late.one()).uid == "2"

    async def test_what_drupal_opened_in_an_answer_that_breaks_off_is_passed_to_late(self, drupal, authenticator, late):
        drupal.fault = Fault(kind=Kind.RESET, at=Endpoint.LOGIN)

        with pytest.raises((DrupalUnavailable, DrupalInvalid)):
            await authenticator.authenticate(**ALICE, visitor=VISITOR, late=late)
        credential = await late.one()
        drupal.fault = None
        await authenticator.log_out(credential)

        assert drupal.ledger.alive() == []

    async def test_after_finish_nothing_is_passed_to_late(self, drupal, impatient, late):
        gate = drupal.gate = Gate(after_birth=True)
        with pytest.raises(DrupalTimeout):
            await impatient.authenticate(**ALICE, visitor=VISITOR, late=late)

        await impatient.finish(most_seconds=0)
        gate.release()
        await asyncio.sleep(0.1)

        assert late.came == []

    async def test_finish_waits_for_what_comes_in_time(self, drupal, impatient, late):
        drupal.fault = Fault(kind=Kind.SLOW, at=Endpoint.LOGIN, seconds=0.4)
        with pytest.raises(DrupalTimeout):
            await impatient.authenticate(**ALICE, visitor=VISITOR, late=late)

        await impatient.finish(most_seconds=5)

        assert [credential.uid for credential in late.came] == ["2"]

    async def test_finish_passes_on_what_a_login_that_it_gives_up_has_brought(self, drupal, impatient, late):
        drupal.fault = Fault(kind=Kind.STALL, at=Endpoint.LOGIN)
        with pytest.raises(DrupalTimeout):
            await impatient.authenticate(**ALICE, visitor=VISITOR, late=late)

        await impatient.finish(most_seconds=0)
        drupal.fault = None
        await impatient.log_out(late.came[0])

        assert drupal.ledger.alive() == []

    # describe

    async def test_it_reads_the_users_own_account(self, authenticator, credential):
        account = await authenticator.describe(credential, visitor=VISITOR)

        assert (account.uid, account.mail, account.phone) == ("2", "alice@example.test", "+15550100001")
        assert account.profile["name"] == [{"value": "alice"}]

    async def test_an_account_that_drupal_does_not_show_raises_drupal_invalid(self, drupal, authenticator, credential):
        drupal.fault = Fault(kind=Kind.SERVER_ERROR, at=Endpoint.CONTACTS)

        with pytest.raises(DrupalInvalid):
            await authenticator.describe(credential, visitor=VISITOR)

    @pytest.mark.alone
    async def test_reading_that_takes_too_long_raises_drupal_timeout(self, drupal, impatient, late):
        credential = await impatient.authenticate(**ALICE, visitor=VISITOR, late=late)
        drupal.fault = Fault(kind=Kind.HANG, at=Endpoint.CONTACTS)

        with pytest.raises(DrupalTimeout):
            await impatient.describe(credential, visitor=VISITOR)

    # hand_over

    async def test_what_is_handed_over_logs_the_user_in(self, authenticator, credential, logged_in_as):
        assert await logged_in_as(authenticator.hand_over(credential))

    async def test_a_session_or_a_token_is_handed_over_and_never_both(self, authenticator, credential):
        handed = authenticator.hand_over(credential)

        assert bool(handed.session) is not bool(handed.token)
        assert bool(handed.session) is bool(handed.cookies)

    async def test_what_was_stored_is_handed_over_as_what_was_not(self, authenticator, credential):
        kept = decode_credential(encode_credential(credential))

        assert kept == credential
        assert authenticator.hand_over(kept) == authenticator.hand_over(credential)

    async def test_no_secret_of_it_shows_in_what_may_be_logged(self, authenticator, credential):
        handed = authenticator.hand_over(credential)
        secrets = [*handed.cookies, *handed.session.values(), *map(str, handed.token.values())]

        shown = repr(credential) + repr(handed)

        assert len(secrets) > 1
        assert [secret for secret in secrets if secret in shown] == []

    # log_out

    @pytest.mark.parametrize("visitor", [None, VISITOR], ids=["the gateway", "a visitor"])
    async def test_it_ends_the_credential_at_drupal(self, drupal, authenticator, credential, logged_in_as, visitor):
        done = await authenticator.log_out(credential, visitor=visitor)

        assert done.ended
        assert not await logged_in_as(authenticator.hand_over(credential))
        assert drupal.ledger.alive() == []

    @pytest.mark.parametrize("visitor", [None, VISITOR], ids=["the gateway", "a visitor"])
    async def test_one_that_is_gone_already_is_no_error(self, authenticator, credential, visitor):
        once = await authenticator.log_out(credential, visitor=visitor)

        again = await authenticator.log_out(credential, visitor=visitor)

        assert not again.ended
        assert len(again.cookies) == len(once.cookies)

    async def test_what_drupal_did_not_end_is_not_said_to_be_ended(self, drupal, authenticator, credential):
        drupal.fault = Fault(kind=Kind.BAD_GATEWAY, at=Endpoint.LOGOUT)

        with pytest.raises(DrupalInvalid):
            await authenticator.log_out(credential)

    @pytest.mark.alone
    async def test_logging_out_that_takes_too_long_raises_drupal_timeout(self, drupal, impatient, late):
        credential = await impatient.authenticate(**ALICE, visitor=VISITOR, late=late)
        drupal.fault = Fault(kind=Kind.HANG, at=Endpoint.LOGOUT)

        with pytest.raises(DrupalTimeout):
            await impatient.log_out(credential)

    # credentials_in

    async def test_a_request_of_the_logged_in_user_carries_the_credential_that_logs_them_out(
        self, drupal, authenticator, credential
    ):
        handed = authenticator.hand_over(credential)
        headers = self.frontend_headers(handed)

        [found] = authenticator.credentials_in(
            cookie_header=headers.get("Cookie", ""),
            authorization=headers.get("Authorization", ""),
            logout_token=handed.session.get("logout_token"),
        )
        await authenticator.log_out(found, visitor=VISITOR)

        assert found.uid == ""
        assert drupal.ledger.alive() == []

    @pytest.mark.parametrize(
        "sent",
        [{}, {"cookie_header": "lang=de; has_js=1"}, {"authorization": "Basic YTpi"}, {"logout_token": "a token"}],
        ids=repr,
    )
    async def test_a_request_without_a_credential_carries_none(self, authenticator, sent):
        assert authenticator.credentials_in(**NOTHING_SENT | sent) == []

    # What it is asked about cookies and about Drupal

    async def test_the_cookie_is_deleted_under_its_own_name(self, authenticator):
        lines = authenticator.deletions()

        assert lines
        assert all(line.startswith(f"{authenticator.cookie_name}=deleted; ") for line in lines)
        assert all("Max-Age=0" in line for line in lines)

    async def test_no_cookie_is_unusable_where_the_address_of_the_gateway_is_not_known(self, authenticator, credential):
        assert authenticator.unusable_cookies(authenticator.hand_over(credential), public_url=None) == []

    async def test_it_answers_until_nobody_has_had_an_answer_for_several_visitors(self, drupal, authenticator, late):
        assert authenticator.answers() is None
        await authenticator.authenticate(**ALICE, visitor=Visitor(address="203.0.113.9"), late=late)
        assert authenticator.answers() is True

        drupal.fault = Fault(kind=Kind.DROP)
        for number in range(5):
            visitor = Visitor(address=f"203.0.113.{number}")
            with pytest.raises(DrupalUnavailable):
                await authenticator.authenticate(**ALICE, visitor=visitor, late=late)

        assert authenticator.answers() is False
