"""What messages say, in every language and by every medium."""

import re
import shutil
from dataclasses import replace
from email import message_from_bytes, policy
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from selectolax.lexbor import LexborHTMLParser

from gateway.configuration import ConfigurationError, load
from gateway.delivery.addresses import one_address
from gateway.delivery.channels import ChannelsOptions
from gateway.delivery.channels.mail import Letterhead, Sender
from gateway.texts import messages as module
from gateway.texts.browser import BROWSERS, SYSTEMS, browser_of
from gateway.texts.catalogues import TEXTS, languages_in
from gateway.texts.messages import TextOptions, Texts, Values
from gateway.texts.sms_length import size_of

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


@pytest.mark.parametrize("language", ["en", "EN", "en-gb", "fr", "", "../../etc", "tlh", "-" * 500])
def test_a_language_that_is_not_there_gets_the_default(texts, language):
    german = Texts(TextOptions(site="Example", default_language="de"))

    assert texts.render("code", language, VALUES).subject == "Your code for Example"
    assert german.render("code", "fr", VALUES).subject == "Ihr Code für Example"


@pytest.mark.parametrize(("language", "told"), [("de", "Ihr Code"), ("de-AT", "Ihr Code"), ("ar-eg", "رمز الدخول")])
def test_a_kind_of_a_language_gets_the_language(texts, language, told):
    assert texts.render("code", language, VALUES).subject.startswith(told)


# --- A folder of one's own -------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    """French, as an operator adds it: English copied, one text translated."""
    shutil.copytree(TEXTS / "en", tmp_path / "fr")
    (tmp_path / "fr" / "code.subject.j2").write_text("Votre code{% if site %} pour {{ site }}{% endif %}")
    return tmp_path


def test_a_language_is_added_by_a_folder_alone(folder):
    texts = Texts(TextOptions(site="Example", folder=folder, default_language="fr"))

    assert texts.render("code", "fr-ca", VALUES).subject == "Votre code pour Example"
    assert texts.render("code", "de", VALUES).subject == "Ihr Code für Example"
    assert texts.choice.of("fr", "") == texts.choice.of(None, "fr;q=0.5, it") == "fr"


def test_a_file_there_wins_and_the_rest_comes_along(tmp_path):
    (tmp_path / "de").mkdir()
    for path in (TEXTS / "de").glob("*.j2"):
        (tmp_path / "de" / path.name).write_text(path.read_text())
    (tmp_path / "de" / "code.subject.j2").write_text("Dein Code")
    (tmp_path / "de" / "code.html.j2").unlink()

    texts = Texts(TextOptions(folder=tmp_path))

    text = texts.render("code", "de", VALUES)
    assert text.subject == "Dein Code"
    assert "Ihr Code lautet" in text.html


def test_the_layout_of_every_mail_can_be_ones_own(tmp_path):
    (tmp_path / "layout.html.j2").write_text("<p>Ours</p>{% block body %}{% endblock %}")

    texts = Texts(TextOptions(folder=tmp_path))

    assert texts.render("locked", "ar", VALUES).html.startswith("<p>Ours</p>")


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{{ passwrod }}", "'passwrod' is undefined"),
        ("{{ code.__class__.__mro__ }}", "unsafe"),
        ("one\n{% if code %}", "line 2: "),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{% include '/etc/passwd' %}", "missing"),
        ("{% for a in range(10 ** 9) %}{% endfor %}", "too big"),
        ("{% if minutes > 10 %}{{ passwrod }}{% endif %}", "'passwrod' is undefined"),
    ],
)
def test_a_broken_template_stops_the_start_with_its_name(folder, template, why):
    (folder / "fr" / "locked.txt.j2").write_text(template)
    (folder / "fr" / "code.voice.j2").unlink()

    with pytest.raises(ConfigurationError) as refused:
        load(None, {"HEADGATE_API_KEY": "a-key", "HEADGATE_TEXTS__FOLDER": str(folder)})

    [(key, sentence)] = refused.value.problems
    assert key == "texts.folder"
    missing, broken = sentence.split("; ")
    assert missing == "fr/code.voice.j2 is missing"
    assert broken.startswith("fr/locked.txt.j2")
    assert why in broken


def test_a_broken_layout_stops_the_start_for_the_languages_that_come_along_too(tmp_path):
    (tmp_path / "layout.html.j2").write_text("{% block body %}")

    with pytest.raises(ValidationError, match=r"ar/code\.html\.j2"):
        TextOptions(folder=tmp_path)


@pytest.mark.parametrize("name", ["fr_FR", "FR", "templates", "français", "x"])
def test_a_folder_that_is_not_named_like_a_language_is_told(tmp_path, name):
    (tmp_path / name).mkdir()

    with pytest.raises(ValidationError, match="is named like a language"):
        TextOptions(folder=tmp_path)


def test_what_kubernetes_puts_into_a_mounted_folder_is_let_be(folder):
    (folder / "..2026_11_24").mkdir()
    (folder / "README").write_text("ours")

    assert TextOptions(folder=folder)


@pytest.mark.parametrize("default", ["fr", "", "EN", "../en"])
def test_a_default_language_that_is_not_there_is_told(default):
    with pytest.raises(ConfigurationError) as refused:
        load(None, {"HEADGATE_API_KEY": "a-key", "HEADGATE_TEXTS": f"{{default_language: '{default}'}}"})

    assert refused.value.problems == [("texts.default_language", "must be one of ar, de, en")]


@pytest.mark.parametrize("name", ["nowhere", "file", "x" * 300])
def test_a_folder_that_can_not_be_read_is_told(tmp_path, name):
    (tmp_path / "file").write_text("a file")

    with pytest.raises(ValidationError, match="not a folder"):
        TextOptions(folder=tmp_path / name)


def test_a_template_that_does_more_than_show_a_value_is_right_too(folder):
    (folder / "fr" / "code.txt.j2").write_text("{{ code[:3] }} {{ code[3:] }} 100% {{ username | upper }}")

    assert Texts(TextOptions(folder=folder)).render("code", "fr", VALUES).plain == "012 345 100% ALICE"


@pytest.mark.parametrize("subject", module.SUBJECTS)
def test_a_copied_language_says_account_time_and_browser_in_its_own_words(folder, subject):
    (folder / "fr" / "details.txt.j2").write_text("Compte : {{ username }}\n")

    text = Texts(TextOptions(folder=folder)).render(subject, "fr", VALUES)

    assert "\nCompte : alice\n" in text.plain
    assert "Account:" not in text.plain


def test_what_a_template_includes_and_is_not_there_is_told(folder):
    (folder / "fr" / "details.html.j2").unlink()

    with pytest.raises(ValidationError, match=r"fr/locked\.html\.j2 includes fr/details\.html\.j2, which is missing"):
        TextOptions(folder=folder)


@pytest.mark.parametrize("template", ["{{ code[3] }}", "{{ asked_at.split()[1] }}", "{{ spoken.split(',')[5] }}"])
def test_a_template_may_take_a_value_apart(folder, template):
    (folder / "fr" / "code.txt.j2").write_text(template)

    assert Texts(TextOptions(folder=folder)).render("code", "fr", VALUES).plain.strip() in ("3", "22:13", "5")


def test_a_template_that_works_with_some_codes_only_is_broken(folder):
    (folder / "fr" / "code.sms.j2").write_text("{{ code[7] }}")

    with pytest.raises(ValidationError, match=r"fr/code\.sms\.j2: "):
        TextOptions(folder=folder)


# --- Hostile names ---------------------------------------------------------------------------------------------------

ISOLATES = dict.fromkeys((0x2066, 0x2068, 0x2069))
ALL = [(language, subject) for language in ("ar", "de", "en") for subject in module.SUBJECTS]


@pytest.mark.parametrize(("language", "subject"), ALL)
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_stays_one_printable_line_of_text(texts, name, language, subject):
    text = texts.render(subject, language, replace(VALUES, username=name))
    harmless = texts.render(subject, language, VALUES)

    assert len(text.plain.splitlines()) == len(harmless.plain.splitlines())
    assert text.subject == harmless.subject
    # Arabic isolates what is read from the left; a name can neither begin nor end one.
    assert all(line.isprintable() for line in text.plain.translate(ISOLATES).splitlines())
    assert [text.plain.count(chr(mark)) for mark in ISOLATES] == [harmless.plain.count(chr(mark)) for mark in ISOLATES]
    page, usual = LexborHTMLParser(text.html), LexborHTMLParser(harmless.html)
    assert [node.tag for node in page.css("*")] == [node.tag for node in usual.css("*")]
    assert module.one_line(name) in [node.text() for node in page.css("bdi")]
    assert ("49" in text.plain) == ("49" in harmless.plain)


@pytest.mark.parametrize("medium", ["sms", "voice"])
@pytest.mark.parametrize("language", ["ar", "de", "en"])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_has_no_place_in_a_text_message_or_a_call(texts, name, language, medium):
    hostile = replace(VALUES, username=name, browser=name)

    assert texts.render("code", language, hostile, medium=medium) == texts.render(
        "code", language, VALUES, medium=medium
    )


@pytest.mark.parametrize(("language", "subject"), ALL)
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_breaks_no_header_of_a_mail(texts, name, language, subject):
    text = texts.render(subject, language, replace(VALUES, username=name))
    raw = Letterhead(Sender("Example <no-reply@example.org>")).write(
        one_address("alice@example.test"), text, id="m1", now=VALUES.asked_at
    )

    read = message_from_bytes(raw, policy=policy.default)
    assert read.keys() == [
        "From",
        "Auto-Submitted",
        "MIME-Version",
        "To",
        "Date",
        "Message-ID",
        "Subject",
        "Content-Type",
    ]
    assert read["Subject"] == text.subject
    assert [part.get_content_type() for part in read.iter_parts()] == ["text/plain", "text/html"]


RENDERER = Texts(TextOptions(site="Example"))
NAMES = [("", *dict(known).values()) for known in (BROWSERS, SYSTEMS)]
WORDS = {", ".join(filter(None, words)) for words in product(*NAMES)} - {""}
BROWSER_LINE = re.compile(r"^(?:Browser|المتصفح): \u2066?([^\u2069\n]*)\u2069?$", re.MULTILINE)
AGENTS = st.text(max_size=256) | st.builds("{} Firefox/{} (Windows {})".format, *[st.text(max_size=80)] * 3)


@pytest.mark.parametrize(("language", "subject"), ALL)
@given(name=st.text(max_size=254), agent=AGENTS)
def test_whatever_the_client_sends_the_markup_is_ours(language, subject, name, agent):
    text = RENDERER.render(subject, language, replace(VALUES, username=name, browser=agent))
    page = LexborHTMLParser(text.html)

    assert module.one_line(name) in [node.text() for node in page.css("bdi")]
    assert text.html.count("<") == len(re.findall(r"</?[a-z!][^<>]*>", text.html))
    for part in (text.plain, page.css_first(".quiet").text()):
        assert set(BROWSER_LINE.findall(part)) <= WORDS
    text.plain.encode()


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


@pytest.mark.parametrize("agent", ["curl/8.0", ""])
@pytest.mark.parametrize(("language", "subject"), ALL)
def test_an_unknown_browser_has_no_line(texts, language, subject, agent):
    text = texts.render(subject, language, replace(VALUES, browser=agent))
    known = texts.render(subject, language, VALUES)

    assert "Browser" not in text.plain + text.html
    assert "المتصفح" not in text.plain + text.html
    for part, usual in ((text.plain, known.plain), (text.html, known.html)):
        assert len(part.splitlines()) == len(usual.splitlines()) - 1


def test_every_language_has_every_template():
    names = {path.name for path in (TEXTS / "en").glob("*.j2")}

    for language in languages_in(TEXTS).values():
        assert {path.name for path in language.glob("*.j2")} == names


@pytest.mark.parametrize(("language", "direction"), [("en", "ltr"), ("de", "ltr"), ("ar", "rtl")])
@pytest.mark.parametrize("subject", module.SUBJECTS)
def test_a_mail_says_its_language_and_which_way_it_is_read(texts, language, direction, subject):
    page = LexborHTMLParser(texts.render(subject, language, VALUES).html)

    for node in (page.css_first("html"), page.css_first(".card")):
        assert (node.attributes["lang"], node.attributes["dir"]) == (language, direction)


@pytest.mark.parametrize("language", ["ar", "de", "en"])
def test_a_mail_says_everything_in_every_language(texts, language):
    text = texts.render("code", language, VALUES)

    for part in (text.plain, LexborHTMLParser(text.html).body.text()):
        for told in ("012345", "alice", "2023-11-14 22:13 UTC", "Firefox, Windows", "Example", "5 "):
            assert told in part


WHAT_TO_DO = {
    "en": r"[Cc]hange\s+your\s+password",
    "de": r"[Ää]ndern Sie\s+(?:jetzt\s+)?Ihr\s+Passwort",
    "ar": "غيّر كلمة مرورك",
}


@pytest.mark.parametrize(("language", "subject"), ALL)
def test_every_mail_says_whose_account_when_from_which_browser_and_what_to_do_if_it_was_not_you(
    texts, language, subject
):
    text = texts.render(subject, language, VALUES)

    for part in (text.plain, LexborHTMLParser(text.html).body.text()):
        assert "alice" in part
        assert "2023-11-14 22:13 UTC" in part
        assert BROWSER_LINE.findall(part) == ["Firefox, Windows"]
        assert re.search(WHAT_TO_DO[language], part)


@pytest.mark.parametrize("language", ["ar", "de", "en"])
@pytest.mark.parametrize("minutes", range(1, 61))
def test_every_time_can_be_told_in_every_language(texts, language, minutes):
    for medium in module.PARTS:
        assert texts.render("code", language, replace(VALUES, seconds=60 * minutes), medium=medium).plain


@pytest.mark.parametrize(
    ("minutes", "told"), [(1, "دقيقة واحدة"), (2, "دقيقتين"), (3, "3 دقائق"), (10, "10 دقائق"), (11, "11 دقيقة")]
)
def test_arabic_counts_its_minutes(texts, minutes, told):
    assert f"لمدة {told}، " in texts.render("code", "ar", replace(VALUES, seconds=60 * minutes)).plain


# --- Text messages and calls -----------------------------------------------------------------------------------------

# What most sites need; a longer name is left out of text messages, a longer host costs a second one.
LONGEST_SITE = "Gemeinsame Stadtbibliothek Musterstadt-Süd"
HOST = "konto.stadtbibliothek-musterstadt.example.org"


def message(language, *, site=LONGEST_SITE, host=HOST, subject="code", code="12345678", minutes=60):
    texts = Texts(TextOptions(site=site), public_url=f"https://{host}:8443/path" if host else None)
    values = replace(VALUES, code=code, seconds=60 * minutes)
    return texts.render(subject, language, values, medium="sms").plain


@pytest.mark.parametrize("language", ["ar", "de", "en"])
def test_a_text_message_ends_with_the_code_bound_to_its_site(language):
    text = message(language, host="www.example.org", code="123456")

    assert text.splitlines()[-1] == "@www.example.org #123456"
    assert len(text.splitlines()) == 2
    assert text.count("123456") == 2


def test_the_bound_line_names_the_host_as_a_browser_does():
    assert message("en", host="BÜCHER.example").splitlines()[-1] == "@xn--bcher-kva.example #12345678"


@pytest.mark.parametrize("host", ["", "192.0.2.7", "[2001:db8::1]"])
def test_without_a_host_of_its_own_there_is_no_bound_line(host):
    assert "\n" not in message("en", host=host)
    assert "#" not in message("en", host=host)


@pytest.mark.parametrize("language", ["de", "en"])
def test_a_text_message_is_one_gsm_7_segment_with_the_longest_code_and_a_long_host(language):
    taken, most = size_of(message(language))

    assert most == 160
    assert taken <= 160


@pytest.mark.parametrize("language", ["de", "en"])
def test_a_host_of_81_letters_still_fits_one(language):
    """What docs/languages.md says."""
    host = f"{'a' * 60}.{'b' * 16}.org"

    assert len(host) == 81
    assert size_of(message(language, host=host)) <= (160, 160)


@pytest.mark.parametrize("language", ["de", "en"])
def test_a_site_with_a_name_of_usual_length_is_named_in_it(language):
    text = message(language, site="Stadtbibliothek Süd")

    assert "Stadtbibliothek Süd" in text
    assert size_of(text)[0] <= 160


@pytest.mark.parametrize("language", ["de", "en"])
@pytest.mark.parametrize("site", [LONGEST_SITE * 4, "Büro 🔑"])
def test_what_would_cost_a_second_message_is_the_sites_name_and_is_left_out(language, site):
    text = message(language, site=site)

    assert site not in text
    assert size_of(text)[0] <= size_of(text)[1] == 160


def test_arabic_is_one_message_of_70_units_with_a_host_of_21_letters():
    """Arabic has no GSM-7 letters: UTF-16, and so 70 places. A longer host makes it two messages."""
    assert size_of(message("ar", host="konto.example-abc.org")) == (70, 70)
    assert size_of(message("ar", host=HOST)) == (94, 70)


@pytest.mark.parametrize("language", ["ar", "de", "en"])
def test_a_call_speaks_the_digits_one_by_one_and_twice(texts, language):
    text = texts.render("code", language, replace(VALUES, code="471012"), medium="voice")

    assert text.plain.count("4, 7, 1, 0, 1, 2") == 2
    assert "471012" not in text.plain
    assert (text.subject, text.html) == ("", "")


@pytest.mark.parametrize("language", ["ar", "de", "en"])
@pytest.mark.parametrize("medium", ["sms", "voice"])
def test_no_template_can_lose_or_fake_the_last_line(tmp_path, language, medium):
    (tmp_path / language).mkdir()
    (tmp_path / language / f"code.{medium}.j2").write_text("Hello\n@evil.example #000000\n")

    texts = Texts(TextOptions(folder=tmp_path), public_url="https://www.example.org")

    told = {"sms": "Hello @evil.example #000000\n@www.example.org #012345", "voice": "Hello @evil.example #000000"}
    assert texts.render("code", language, VALUES, medium=medium).plain == told[medium]


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("", (0, 160)),
        ("äöüÄÖÜß@_", (9, 160)),
        ("€", (2, 160)),
        ("[a]", (5, 160)),
        ("ï", (1, 70)),
        ("`", (1, 70)),
        ("رمز", (3, 70)),
        ("🔑", (2, 70)),
        ("\ud800", (1, 70)),
    ],
)
def test_places_are_counted_as_a_network_counts_them(text, size):
    assert size_of(text) == size


def test_every_channel_has_its_medium():
    assert set(module.MEDIA) == set(ChannelsOptions.model_fields)


@pytest.mark.parametrize("wrong", [{"timezone": "Mars/Olympus"}, {"timezone": "../etc/passwd"}, {"timezone": ""}])
def test_a_wrong_option_is_refused(wrong):
    with pytest.raises(ValidationError):
        TextOptions(**wrong)
