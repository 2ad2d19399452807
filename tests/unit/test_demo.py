"""The demo without a browser: its texts in every language, and its command."""

import json
import re
from html.parser import HTMLParser

import pytest
from typer.testing import CliRunner

from gateway.cli.main import app
from gateway.demo.stage import PAGES

# What is the same in every language.
NAMES = {"API", "English", "Deutsch", "العربية", "alice", "alice-pass-1"}
IN_SCRIPTS = re.compile(r"""\bt\((?:isRecovery \? )?"([^"]+)"(?: : "([^"]+)")?""")


class Texts(HTMLParser):
    """Everything that a page says."""

    def __init__(self) -> None:
        super().__init__()
        self.found = set()

    def handle_starttag(self, tag, attributes):
        self.found |= {value for name, value in attributes if name == "aria-label"}

    def handle_data(self, data):
        self.found |= {data.strip()} - {""}


def said() -> set[str]:
    """Every text of the pages and their scripts, in English."""
    found = set()
    for page in PAGES.glob("*.html"):
        reader = Texts()
        reader.feed(page.read_text())
        found |= reader.found
    for script in PAGES.glob("*.js"):
        found |= {text for match in IN_SCRIPTS.findall(script.read_text()) for text in match if text}
    switches = re.search(r"SWITCH_TO = \{(.*)\}", (PAGES / "login.js").read_text())
    return (found | set(re.findall(r': "([^"]+)"', switches[1]))) - NAMES


def catalogue(language):
    return json.loads((PAGES / f"{language}.json").read_text())


@pytest.mark.parametrize("language", ["de", "ar"])
def test_every_text_of_the_demo_is_translated_and_none_is_left_over(language):
    assert set(catalogue(language)) == said()


@pytest.mark.parametrize("language", ["en", "de", "ar"])
def test_a_translation_has_the_same_blanks(language):
    for text, translated in catalogue(language).items():
        forms = {"other": translated} if isinstance(translated, str) else translated
        assert set(re.findall(r"\{\w+\}", forms["other"])) == set(re.findall(r"\{\w+\}", text)), text


def test_the_pages_hold_no_script_and_no_style_and_name_no_other_host():
    for page in PAGES.glob("*.html"):
        text = page.read_text()
        assert not re.search(r"<style|<script>|\sstyle=|\son\w+=|https?://", text), page.name


@pytest.mark.parametrize("origin", ["app.example", "https://app.example/", "ftp://app.example", "*", ""])
def test_what_is_no_origin_is_refused_before_anything_starts(origin):
    result = CliRunner().invoke(app, ["demo", "--origin", origin], env={"COLUMNS": "200"})

    assert result.exit_code == 2
    assert "An origin is scheme and host, such as https://app.example, without a path." in result.output
