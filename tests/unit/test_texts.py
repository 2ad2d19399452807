import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError
from jinja2.exceptions import SecurityError
from pydantic import ValidationError
from selectolax.lexbor import LexborHTMLParser

from gateway.delivery import texts as module
from gateway.delivery.browser import browser_of
from gateway.delivery.texts import FOLDER, TextOptions, Texts, Values

FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
VALUES = Values(username="alice", code="012345", seconds=299.9, asked_at=1_700_000_000, browser=FIREFOX)
HOSTILE = [
    "mallory\r\nBcc: victim@example.test\r\n\r\n<h1>hello</h1>",
    "<b>bold</b><script>alert(1)</script>",
    "{{7*7}}{% raw %}",
    "%s %(code)s %n",
    "\u202etxt.exe\u2066",
    "x" * 254,
    "&" * 254,
    "🔑" * 254,
    "Jürgen Größe",
    "\ud800",
    "--=_headgate--",
    '" onload="x',
    "\ufdd0\ufdd1\ufdd2",
    "",
]


@pytest.fixture(scope="module")
def texts():
    return Texts(TextOptions(site="Example"))


def test_the_code_mail_says_what_was_asked_when_from_where_and_what_to_do(texts):
    text = texts.render("code", "en", VALUES)

    for part in (text.plain, text.html):
        for told in ("012345", "alice", "2023-11-14 22:13 UTC", "Firefox, Windows", "Example", "5 minutes"):
            assert told in part
        assert "change your password" in part


def test_the_locked_mail_says_that_somebody_knows_the_password(texts):
    text = texts.render("locked", "en", VALUES)

    assert text.subject == "Somebody knows your password for Example"
    for part in (text.plain, text.html):
        assert "somebody knows your password" in part
        assert "012345" not in part


def test_the_mail_about_a_copied_device_says_what_was_done_and_what_to_do(texts):
    text = texts.render("replayed", "en", VALUES)

    assert text.subject == "A remembered device was copied: Example"
    for part in (text.plain, text.html):
        for told in ("alice", "2023-11-14 22:13 UTC", "Firefox, Windows", "Change", "password"):
            assert told in part
        assert "012345" not in part


def test_the_subject_holds_no_code_unless_that_is_configured(texts):
    telling = Texts(TextOptions(site="Example", subject_with_code=True))

    assert texts.render("code", "en", VALUES).subject == "Your code for Example"
    assert telling.render("code", "en", VALUES).subject == "012345 is your code for Example"


def test_a_site_without_a_name_gets_whole_sentences():
    text = Texts(TextOptions()).render("code", "en", VALUES)

    assert text.subject == "Your code"
    assert text.plain.startswith("Your code is: 012345\n")


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(300, "5 minutes"), (299.2, "5 minutes"), (270, "4 minutes"), (60, "1 minute,"), (3, "1 minute,")],
)
def test_the_time_left_is_told_in_minutes(texts, seconds, told):
    assert told in texts.render("code", "en", replace(VALUES, seconds=seconds)).plain


def test_times_are_told_where_the_site_is():
    text = Texts(TextOptions(timezone="Europe/Berlin")).render("code", "en", VALUES)

    assert "2023-11-14 23:13 CET" in text.plain


@pytest.mark.parametrize("language", ["en", "EN", "en-gb", "de", "", "../../etc", "tlh"])
def test_a_language_without_a_folder_gets_english(texts, language):
    assert texts.render("code", language, VALUES).subject == "Your code for Example"


def test_a_language_is_a_folder(tmp_path):
    for source in FOLDER.rglob("*.j2"):
        target = tmp_path / source.relative_to(FOLDER)
        target.parent.mkdir(exist_ok=True)
        target.write_text(source.read_text())
    (tmp_path / "en").rename(tmp_path / "de")
    (tmp_path / "de" / "code.subject.j2").write_text("Ihr Code für {{ site }}")
    (tmp_path / "en").mkdir()
    for source in (FOLDER / "en").iterdir():
        (tmp_path / "en" / source.name).write_text(source.read_text())

    texts = Texts(TextOptions(site="Example"), folder=tmp_path)

    assert texts.render("code", "de-at", VALUES).subject == "Ihr Code für Example"
    assert texts.render("code", "fr", VALUES).subject == "Your code for Example"


@pytest.fixture
def folder(tmp_path):
    for source in FOLDER.rglob("*.j2"):
        target = tmp_path / source.relative_to(FOLDER)
        target.parent.mkdir(exist_ok=True)
        target.write_text(source.read_text())
    return tmp_path


@pytest.mark.parametrize(
    ("template", "error"),
    [("{{ passwrod }}", UndefinedError), ("{{ code.__class__.__mro__ }}", SecurityError)],
)
def test_a_broken_template_stops_the_start(folder, template, error):
    (folder / "en" / "locked.txt.j2").write_text(template)

    with pytest.raises(error):
        Texts(TextOptions(), folder=folder)


def test_a_template_that_does_more_than_show_a_value_is_right_too(folder):
    (folder / "en" / "code.txt.j2").write_text("{{ code[:3] }} {{ code[3:] }} 100% {{ username | upper }}")

    assert Texts(TextOptions(), folder=folder).render("code", "en", VALUES).plain == "012 345 100% ALICE"


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_stays_one_printable_line_of_text(texts, name):
    text = texts.render("code", "en", replace(VALUES, username=name))
    harmless = texts.render("code", "en", VALUES)

    assert len(text.plain.splitlines()) == len(harmless.plain.splitlines())
    assert text.subject == harmless.subject
    assert all(line.isprintable() for line in text.plain.splitlines())
    page, usual = LexborHTMLParser(text.html), LexborHTMLParser(harmless.html)
    assert [node.tag for node in page.css("*")] == [node.tag for node in usual.css("*")]
    assert page.css_first("bdi").text() == module.one_line(name)


@given(st.text(max_size=254), st.text(max_size=256))
def test_whatever_the_client_sends_the_markup_is_ours(name, agent):
    text = TEXTS.render("code", "en", replace(VALUES, username=name, browser=agent))

    assert LexborHTMLParser(text.html).css_first("bdi").text() == module.one_line(name)
    assert text.html.count("<") == len(re.findall(r"</?[a-z!][^<>]*>", text.html))
    text.plain.encode()


TEXTS = Texts(TextOptions(site="Example"))


@pytest.mark.parametrize(
    ("agent", "told"),
    [
        (FIREFOX, "Firefox, Windows"),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15",
            "Safari, macOS",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/122.0 Mobile/15E148 Safari/604.1",
            "Chrome, iPhone",
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/122.0 Safari/537.36 Edg/122.0",
            "Edge, Windows",
        ),
        (
            "Mozilla/5.0 (Linux; Android 14; SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/24.0 Chrome/117.0 Mobile Safari/537.36",
            "Samsung Internet, Android",
        ),
        ("okhttp/4.9.2", "Android"),
        ("curl/8.0", ""),
        ("Your account is closed, call +1 555 0100", ""),
        ("", ""),
    ],
)
def test_a_browser_is_told_in_words_of_ours(agent, told):
    assert browser_of(agent) == told


@pytest.mark.parametrize(
    "told", ["Firefox, Windows", "Opera, macOS", "Samsung Internet, Android", "Edge", "ChromeOS", ""]
)
def test_a_browser_already_told_stays_as_it_is(told):
    assert browser_of(told).removeprefix("Chrome, ") == told


def test_an_unknown_browser_has_no_line(texts):
    text = texts.render("code", "en", replace(VALUES, browser="curl/8.0"))

    assert "Browser" not in text.plain + text.html


def test_every_language_has_every_template():
    names = {path.name for path in (FOLDER / "en").iterdir()}

    for language in FOLDER.iterdir():
        if language.is_dir():
            assert {path.name for path in language.iterdir()} == names


@pytest.mark.parametrize("wrong", [{"timezone": "Mars/Olympus"}, {"timezone": "../etc/passwd"}, {"timezone": ""}])
def test_a_wrong_option_is_refused(wrong):
    with pytest.raises(ValidationError):
        TextOptions(**wrong)
