"""Answers in the language asked for, messages in the account's own, and codes in any digits."""

import asyncio
import json
import shutil
import subprocess
import sys

import pytest

from gateway.demo.drupal.accounts import User, example_users
from gateway.demo.drupal.site import DrupalOptions
from gateway.errors import PolicyUnreadable
from gateway.texts.catalogues import TEXTS, Languages
from tests.catalogues import ROOT
from tests.flows.test_alike import KINDS
from tests.unit.test_languages import FRENCH
from tests.unit.test_languages import HOSTILE as HEADERS
from tests.world import code_in, wrong

GERMAN = User(uid=40, name="german", password="x-pass-1", mail="german@example.test", preferred_langcode="de")
SITES_OWN = User(uid=41, name="own", password="x-pass-1", mail="own@example.test", preferred_langcode="")
FINNISH = User(uid=42, name="finnish", password="x-pass-1", mail="finnish@example.test", preferred_langcode="fi")
SUBJECTS = {"en": "Your code", "de": "Ihr Code", "ar": "رمز الدخول"}


@pytest.fixture
def drupal_options():
    return DrupalOptions(
        users=(*example_users(), GERMAN, SITES_OWN, FINNISH),
        modules=frozenset({"jsonapi"}),
        reverse_proxy_addresses=("127.0.0.1",),
    )


def asking(world, language):
    return world.visit(world.url, headers={"Accept-Language": language})


def subject_of(mail):
    return str(mail.parsed["Subject"])


# --- Answers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["de", "ar"])
async def test_a_whole_login_is_answered_in_the_language_asked_for(world, frontend, language):
    visitor = asking(world, f"{language}-XX, en;q=0.5")
    say = Languages().asked_for(language).say

    opened = await visitor.authenticate()
    code = await world.code()
    answers = {
        say("A code was sent to {destination}.", destination=opened["destination"]): opened,
        say("The code was sent."): await sent(world, visitor, opened),
        say("The code is wrong."): await visitor.login(opened, wrong(code)),
        say("You are logged in."): (won := await visitor.login(opened, code)),
        say("This login is no longer open. Please start again."): await visitor.login(opened, code),
        say("Unrecognized username or password."): await visitor.authenticate(password="wrong"),
        say("Authentication failed"): await visitor.authenticate(apiKey="wrong"),
        say("The request could not be understood."): await visitor.post("login", {"otp": 1}),
        say("There is nothing here."): await visitor.post("nothing", {}),
        say("You are logged out."): await visitor.logout(
            won.cookies[0].partition(";")[0], won["session"]["logout_token"]
        ),
    }

    for sentence, answer in answers.items():
        assert answer["message"] == sentence
        assert answer.headers["Content-Language"] == language


async def sent(world, visitor, opened):
    async with asyncio.timeout(10):
        while (answer := await visitor.status(opened))["delivery"] != "sent":
            await asyncio.sleep(0.02)
    return answer


@pytest.mark.parametrize("header", [None, "*", "fi, sv;q=0.5", "en-GB,de;q=0.8"])
async def test_the_modules_own_sentences_stay_in_english_unless_another_language_is_asked_for(world, frontend, header):
    visitor = world.visit(world.url, headers={"Accept-Language": header} if header else {})

    answer = await visitor.authenticate(apiKey="wrong")

    assert answer["message"] == "Authentication failed"
    assert answer.headers["Content-Language"] == "en"


async def test_a_login_that_needs_no_code_is_answered_in_the_language_asked_for(world):
    async with world.open_gateway(policy={"require": "observe"}):
        answer = await asking(world, "de").authenticate()

    assert answer["authType"] == "NONE"
    assert answer["message"] == Languages().asked_for("de").say("You are logged in.")
    assert answer.headers["Content-Language"] == "de"


async def test_a_rule_on_roles_that_can_not_be_read_is_told_in_the_language_asked_for(world):
    async with world.open_gateway(policy={"exempt_roles": ["kiosk"]}):
        answer = await asking(world, "ar").authenticate()

    assert answer.code == "policy_unreadable"
    assert answer["message"] == Languages().asked_for("ar").say(PolicyUnreadable.sentence)
    assert answer.headers["Content-Language"] == "ar"


async def test_switched_off_it_says_so_in_the_language_asked_for(world):
    async with world.open_gateway(headless={"enabled": False}):
        german = await asking(world, "de").authenticate()
        english = await world.visit(world.url).authenticate()

    assert english["message"] == "Something went wrong, please contact your administrator."
    assert german["message"].startswith("Etwas ist schiefgegangen")
    assert german.code == english.code == "disabled"


@pytest.mark.parametrize("language", ["en", "de", "ar"])
async def test_within_a_language_no_refusal_can_be_told_from_another_by_its_bytes(world, frontend, language):
    visitor = asking(world, language)
    answers = {}
    for kind, name in KINDS.items():
        answers[kind] = await visitor.authenticate(name, "not-the-password")

    assert {answer.status for answer in answers.values()} == {401}
    assert len({answer.raw.replace(KINDS[kind].encode(), b"") for kind, answer in answers.items()}) == 1
    assert {answer.headers["Content-Language"] for answer in answers.values()} == {language}


@pytest.mark.parametrize("language", ["en", "de", "ar"])
async def test_within_a_language_no_closed_login_can_be_told_from_another(world, frontend, language):
    visitor = asking(world, language)
    opened = await visitor.authenticate()
    code = await world.code()

    unknown = await visitor.login(opened, code, transactionID="x" * 43)
    foreign = await visitor.login(opened, code, username="bob")

    assert unknown.raw.replace(b"x" * 43, b"") == foreign.raw.replace(opened["transactionID"].encode(), b"").replace(
        b"bob", b"alice"
    )


@pytest.mark.parametrize("header", [header for header in HEADERS if header.isprintable() and header.isascii()])
async def test_no_header_is_worth_more_than_a_refusal(served, header):
    body = {"username": "alice", "password": "x", "apiKey": "wrong"}
    answer = served.run(served.frontend.post("authenticate", body, headers={"Accept-Language": header}))

    # A header of more than 8190 bytes is no HTTP that we take.
    assert (answer.status, answer.code) == (400, "malformed" if len(header.strip()) > 8000 else "api_key")


# --- Messages --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "header", "language"),
    [
        ("german", "ar", "de"),
        ("own", "ar-EG, de;q=0.5", "ar"),
        ("finnish", "ar", "ar"),
        ("finnish", "sv", "en"),
        ("own", "", "en"),
        ("own", "x" * 300 + ";q=oops,,,", "en"),
    ],
)
async def test_a_code_comes_in_the_accounts_language_or_else_in_the_browsers(world, frontend, name, header, language):
    visitor = asking(world, header)

    opened = await visitor.authenticate(name, "x-pass-1")

    assert subject_of(await world.mailbox.mail()) == SUBJECTS[language]
    assert (await visitor.resend(opened)).status == 200
    assert subject_of(await world.mailbox.mail(2)) == SUBJECTS[language]


class TestByTheAccountForm:
    """Drupal's language module shows the select, and without it there is none."""

    @pytest.fixture(params=["10", "11"])
    def version(self, request):
        return request.param

    @pytest.fixture(params=[frozenset({"language"}), frozenset()], ids=["multilingual", "stock"])
    def modules(self, request):
        return request.param

    @pytest.fixture
    def drupal_options(self, version, modules):
        return DrupalOptions(version=version, users=(*example_users(), GERMAN), modules=modules)

    async def test_a_code_comes_in_the_accounts_language_where_the_form_shows_one(self, world, modules):
        async with world.open_gateway(drupal={"contacts": "form"}):
            answer = await asking(world, "ar").authenticate("german", "x-pass-1")

        assert subject_of(await world.mailbox.mail()) == SUBJECTS["de" if modules else "ar"]
        assert answer.headers["Content-Language"] == "ar"


async def test_whoever_has_no_language_gets_the_sites(world):
    async with world.open_gateway(texts={"default_language": "de"}) as frontend:
        answer = await frontend.authenticate("own", "x-pass-1")

        assert subject_of(await world.mailbox.mail()) == SUBJECTS["de"]
        assert answer.headers["Content-Language"] == "de"


@pytest.mark.parametrize("name", ["german", "own"])
async def test_the_warning_of_a_lock_comes_in_the_accounts_language(world, name):
    async with world.open_gateway(code={"attempts": 20, "resend_wait_seconds": 0}):
        visitor = asking(world, "de")
        opened = await visitor.authenticate(name, "x-pass-1")
        code = await world.code()
        for _ in range(10):
            await visitor.login(opened, wrong(code))

        assert subject_of(await world.mailbox.mail(2)) == "Jemand kennt Ihr Passwort"


@pytest.mark.parametrize("name", ["german", "own"])
async def test_the_warning_of_a_copied_device_comes_in_the_accounts_language(world, name):
    async with world.open_gateway(policy={"remember": {"days": 30}}):
        visitor = asking(world, "de")
        opened = await visitor.authenticate(name, "x-pass-1")
        token = (await visitor.login(opened, await world.code(), remember=True))["rememberToken"]
        for _ in range(2):
            await visitor.authenticate(name, "x-pass-1", rememberToken=token)

        await world.eventually(lambda: "Ein gemerktes Gerät wurde kopiert" in map(subject_of, world.mailbox.mails))


async def test_a_text_message_and_a_call_carry_their_own_words(world, capfd):
    channels = {"sms": {"kind": "console"}, "voice": {"kind": "console"}}
    async with world.open_gateway(channels=channels, method="SMS", public_url="https://www.example.org") as frontend:
        opened = await frontend.authenticate()
        await sent(world, frontend, opened)
        message = capfd.readouterr().err.splitlines()
        await frontend.resend(opened, switchTo="PHONE VERIFICATION")
        opened.body["authType"] = "PHONE VERIFICATION"
        await sent(world, frontend, opened)
        call = capfd.readouterr().err
        bound = message[message.index("---") - 1]
        code = bound.rpartition("#")[2]

        assert bound == f"@www.example.org #{code}"
        assert call.count(", ".join(code)) == 2
        assert (await frontend.login(opened, code)).status == 200


# --- Codes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zero", ["٠", "۰", "०", "０"])
async def test_a_code_typed_in_the_readers_own_digits_logs_in(world, frontend, zero):
    visitor = asking(world, "ar")
    opened = await visitor.authenticate()
    code = code_in(await world.mailbox.mail())
    typed = "".join(chr(ord(zero) + int(digit)) for digit in code)

    assert typed not in (code, "")
    assert (await visitor.login(opened, f"\u2067{typed[:3]} {typed[3:]}\u2069")).status == 200


# --- A language more -------------------------------------------------------------------------------------------------


async def test_a_language_is_added_by_a_folder_for_answers_and_messages(world, tmp_path):
    shutil.copytree(TEXTS / "en", tmp_path / "fr")
    (tmp_path / "fr" / "code.subject.j2").write_text("Votre code")
    (tmp_path / "fr" / "LC_MESSAGES").mkdir()
    (tmp_path / "fr" / "LC_MESSAGES" / "headgate.po").write_text(FRENCH)
    async with world.open_gateway(texts={"folder": str(tmp_path)}):
        visitor = asking(world, "fr-CA")
        opened = await visitor.authenticate("own", "x-pass-1")
        code = await world.code()
        refused = await visitor.login(opened, wrong(code))

        assert subject_of(await world.mailbox.mail()) == "Votre code"
        assert json.loads(refused.raw)["message"] == "Le code est faux."
        assert refused.headers["Content-Language"] == "fr"


def test_the_start_does_not_wait_for_babel():
    code = "import sys, gateway.app, gateway.languages as l; l.Languages(); sys.exit('babel' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
