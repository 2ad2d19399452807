"""Which language a user gets, and that every sentence exists in every language."""

import ast
import shutil
import time
from gettext import GNUTranslations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway import errors, language_choice
from gateway.language_choice import ENGLISH, Choice, Language
from gateway.texts import catalogues
from gateway.texts.catalogues import Languages
from gateway.texts.compile import PACKAGE, read, renewed, sentences, sentences_in
from gateway.texts.folders import LANGUAGES
from gateway.texts.messages import TextOptions
from gateway.web.http.client_ip import ClientGone
from tests.flows.test_errors import family

CATALOGUES = sorted(LANGUAGES.glob("*/LC_MESSAGES/headgate.po"))
NAMES = [path.parts[-3] for path in CATALOGUES]
VALUES = {"destination": "a•••@e••••.test", "time": "4:32", "number": "4", "date": "2026-12-24"}
HOSTILE = [
    "",
    ",",
    ";",
    "de;q=",
    "de;q=2",
    "de;q=-1",
    "de;q=nan",
    "de;q=inf",
    "de;q=1e9",
    "de;q=0.0000",
    "de;q=٠",
    "de;q=0;q=1",
    "*;q=0",
    "de\r\nX: y",
    "../../etc/passwd",
    "de/../../ar",
    "{destination.__class__}",
    "de-" * 3000,
    "-" * 10_000,
    "a" * 10_000,
    "," * 10_000,
    "; q=" * 2500,
    " " * 10_000 + "de",
    "de;" + " " * 10_000 + "q=1",
    "*," * 5000,
    "١٢٣",
    "\udcff\udcfe",
    "\0",
]


def told(catalogue):
    """Sentence → translation; the header aside, which holds dates."""
    return {str(message.id): str(message.string) for message in catalogue if message.id}


# --- Every sentence --------------------------------------------------------------------------------------------------


def test_english_german_and_arabic_come_along():
    assert {*NAMES, "en"} == {path.name for path in LANGUAGES.iterdir() if path.is_dir()} == {"ar", "de", "en"}


@pytest.mark.parametrize("path", CATALOGUES, ids=NAMES)
def test_every_sentence_of_the_code_is_in_every_language_and_nothing_else(path):
    catalogue = read(path)

    assert {str(message.id) for message in catalogue if message.id} == set(sentences())
    assert [str(message.id) for message in catalogue if not message.string and message.id] == []
    assert [str(message.id) for message in catalogue if message.id and message.fuzzy] == []
    assert not catalogue.obsolete


@pytest.mark.parametrize("path", CATALOGUES, ids=NAMES)
def test_a_translation_shows_what_the_english_sentence_shows(path):
    for message in read(path):
        assert catalogues.same_fields(str(message.id), str(message.string)), message.id


@pytest.mark.parametrize("path", CATALOGUES, ids=NAMES)
def test_a_compiled_catalogue_holds_what_is_written(path):
    """`make languages` compiles it."""
    with path.with_suffix(".mo").open("rb") as file:
        written = GNUTranslations(file)

    assert {text: written.gettext(text) for text in sentences()} == told(read(path))


@pytest.mark.parametrize("path", CATALOGUES, ids=NAMES)
def test_bringing_a_catalogue_up_to_date_changes_nothing(path):
    old = read(path)
    new = renewed(old)

    assert told(new) == told(old)


def test_the_sentence_of_every_error_is_among_the_sentences():
    said = {kind.sentence for kind in family(errors.GatewayError) if kind is not ClientGone}

    assert said <= set(sentences())


def test_no_answer_is_written_down_in_english_alone():
    found = {
        str(path.relative_to(PACKAGE)): texts
        for path in (PACKAGE / "web").rglob("*.py")
        if (texts := list(said_in_english_only(ast.parse(path.read_text()))))
    }

    assert found == {}


def test_a_sentence_is_found_however_it_is_said():
    code = """
class A(B):
    sentence = "one"
    sentence: ClassVar[str] = "two"
T = {404: ("word", msgid("three"))}
answer({"message": language.say("four {x}", x=y), "code": "five"})
log.info("six")
"""

    assert set(sentences_in(ast.parse(code))) == {"one", "two", "three", "four {x}"}
    assert list(said_in_english_only(ast.parse('answer({"message": "seven"})'))) == ["seven"]


def said_in_english_only(tree):
    """Every `message` of an answer that is written out instead of being passed to `say`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "message" and isinstance(value, ast.Constant):
                    yield str(value.value)


@pytest.mark.parametrize("tag", [*NAMES, "en"])
def test_every_sentence_is_said_in_its_language(tag):
    language = Languages().asked_for(tag)

    for text in sentences():
        said = language.say(text, **VALUES) if "{" in text else language.say(text)
        assert (said == text.format(**VALUES)) == (tag == "en")
        assert "{" not in said


@pytest.mark.parametrize(
    ("tag", "direction"), [("en", "ltr"), ("de-at", "ltr"), ("ar", "rtl"), ("fa-ir", "rtl"), ("arn", "ltr")]
)
def test_a_language_is_written_in_its_direction(tag, direction):
    assert Language(tag=tag).direction == direction


def test_the_modules_own_sentences_stay_as_they_are_in_english():
    assert ENGLISH.say(errors.UnknownApiKey.sentence) == "Authentication failed"
    assert ENGLISH.say(errors.Disabled.sentence) == "Something went wrong, please contact your administrator."


def test_a_field_in_a_value_is_not_replaced():
    for tag in ("en", "de", "ar"):
        said = Languages().asked_for(tag).say("A code was sent to {destination}.", destination="{0.__class__}")
        assert "{0.__class__}" in said


def test_a_sentence_that_is_missing_in_a_catalogue_is_in_english():
    assert Languages().asked_for("de").say("Nobody translated this.") == "Nobody translated this."


# --- Who gets which --------------------------------------------------------------------------------------------------

CHOICE = Choice(known=frozenset({"en", "de", "ar", "pt-br", "zh-hant"}), default="en")


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("", "en"),
        ("de", "de"),
        ("DE", "de"),
        ("de-AT", "de"),
        ("de-CH-1996", "de"),
        ("pt-BR,pt;q=0.9", "pt-br"),
        ("pt", "en"),
        ("zh-Hant-TW", "zh-hant"),
        ("fr, de;q=0.5", "de"),
        ("de;q=0.5, ar;q=0.8", "ar"),
        ("de ; q = 0.5 , ar ; q=0.4", "de"),
        ("ar;q=0.5,de;q=0.5", "ar"),
        ("*", "en"),
        ("*, de", "en"),
        ("*;q=0.1, de", "de"),
        ("de;q=0", "en"),
        ("de;q=0, de-AT", "en"),
        ("en;q=0, ar", "ar"),
        ("fr;q=1.0, it;q=0.9", "en"),
        ("de;q=2, ar", "ar"),
        ("german, ar", "ar"),
        (",,, ar", "ar"),
        (", ".join(["fr"] * 20 + ["de"]), "en"),
        ("fr," + " " * 256 + "de", "en"),
    ],
)
def test_a_header_is_read_as_rfc_9110_says(header, found):
    assert CHOICE.asked_for(header) == found


@pytest.mark.alone
@pytest.mark.parametrize("header", HOSTILE)
def test_every_header_gives_a_language_and_takes_no_time(header):
    language_choice.ranges.cache_clear()
    began = time.perf_counter()

    for _ in range(20):
        assert CHOICE.asked_for(header) in CHOICE.known
        language_choice.ranges.cache_clear()

    assert time.perf_counter() - began < 0.5


@given(st.text())
def test_any_text_is_a_header(header):
    assert CHOICE.asked_for(header) in CHOICE.known
    assert CHOICE.of(header, header) in CHOICE.known


@pytest.mark.parametrize(
    ("preferred", "header", "found"),
    [
        ("de", "ar", "de"),
        ("de-at", "ar", "de"),
        ("fr", "ar", "ar"),
        ("und", "ar", "ar"),
        (None, "ar", "ar"),
        ("", "ar", "ar"),
        ("fr", "it", "en"),
        (None, "", "en"),
        ("-" * 10_000, "", "en"),
    ],
)
def test_the_language_of_the_account_comes_before_that_of_the_browser_and_that_before_the_default(
    preferred, header, found
):
    assert CHOICE.of(preferred, header) == found


# --- A folder of one's own -------------------------------------------------------------------------------------------


@pytest.fixture
def own(tmp_path):
    """Writes a catalogue of a language that is there as templates, too."""

    def write(text, tag="fr"):
        folder = tmp_path / tag / "LC_MESSAGES"
        if not folder.exists():
            if not (LANGUAGES / tag).exists():
                shutil.copytree(LANGUAGES / "en", tmp_path / tag)
            folder.mkdir(parents=True)
        (folder / "headgate.po").write_text(text, encoding="latin-1")
        return tmp_path

    return write


HEADER = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n\n'
FRENCH = HEADER + 'msgid "The code is wrong."\nmsgstr "Le code est faux."\n'


def test_a_language_is_added_by_a_catalogue_alone(own):
    told = Languages(folder=own(FRENCH)).asked_for("fr-FR")

    assert told.tag == "fr"
    assert told.say("The code is wrong.") == "Le code est faux."
    assert told.say("You are logged in.") == "You are logged in."


def test_a_sentence_of_the_operator_is_used_instead_of_ours_and_the_rest_is_ours(own):
    german = HEADER + 'msgid "The code is wrong."\nmsgstr "Falsch!"\n\nmsgid "You are logged in."\nmsgstr ""\n'

    told = Languages(folder=own(german, "de")).asked_for("de")

    assert told.say("The code is wrong.") == "Falsch!"
    assert told.say("You are logged in.") == "Sie sind angemeldet."


def test_a_language_without_a_catalogue_is_answered_in_the_next_that_is_asked_for(tmp_path):
    shutil.copytree(LANGUAGES / "en", tmp_path / "fr")

    assert Languages(folder=tmp_path).asked_for("fr, de;q=0.5").tag == "de"


def test_the_default_language_is_used_when_no_known_one_is_asked_for():
    assert Languages(default="de").asked_for("").tag == "de"
    assert Languages(default="de").asked_for("*").tag == "de"
    assert Languages(default="de").asked_for("en").tag == "en"
    assert Languages(default="it").asked_for("").tag == "en"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("msgid oops", "can't be read as a catalogue"),
        (HEADER + 'msgid "a"\nmsgstr "\xff"', "can't be read as a catalogue"),
        (HEADER + 'msgid "A code was sent to {destination}."\nmsgstr "Code {to}"\n', "line 4: the names in braces"),
        (HEADER + 'msgid "A code was sent to {destination}."\nmsgstr "Code"\n', "line 4: the names in braces"),
        (HEADER + 'msgid "A code was sent to {destination}."\nmsgstr "{destination"\n', "line 4: the names in braces"),
        (
            HEADER + 'msgid "A code was sent to {destination}."\nmsgstr "{destination.__class__}"\n',
            "line 4: the names in braces",
        ),
        (
            HEADER + 'msgid "A code was sent to {destination}."\nmsgstr "{destination:>999999999}"\n',
            "line 4: the names in braces",
        ),
    ],
)
def test_a_broken_catalogue_stops_the_start_with_its_name(own, text, why):
    with pytest.raises(ValidationError, match=r"fr/LC_MESSAGES/headgate\.po") as refused:
        TextOptions(folder=own(text))

    assert why in str(refused.value)
