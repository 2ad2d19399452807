"""`headgate preview`: it needs only the settings of messages, and shows what would be sent."""

from typing import get_args

import pytest
from typer.testing import CliRunner

from gateway.cli.main import app
from gateway.cli.messages import PREVIEW_NEEDS, pages
from gateway.configuration import ConfigurationError, load
from gateway.interfaces import Subject
from gateway.settings import Settings


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs the command with a configuration, and without variables of ours."""
    monkeypatch.delenv("HEADGATE_CONFIG", raising=False)
    monkeypatch.delenv("HEADGATE_API_KEY", raising=False)

    def command(configuration=None):
        config = []
        if configuration is not None:
            (tmp_path / "gateway.yaml").write_text(configuration)
            config = ["--config", str(tmp_path / "gateway.yaml")]
        return CliRunner().invoke(app, ["preview", "--out", str(tmp_path / "out"), *config])

    return command


def test_without_any_configuration_every_message_is_written(run, tmp_path):
    done = run()

    assert done.exit_code == 0, done.output
    written = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.*")}
    assert written == {"index.html"} | {
        f"{language}/{name}"
        for language in ("ar", "de", "en")
        for name in (
            *(f"{subject}.mail.{kind}" for subject in get_args(Subject) for kind in ("html", "txt")),
            "code.sms.txt",
            "code.voice.txt",
        )
    }


def test_every_mail_is_shown_with_a_browser(run, tmp_path):
    assert run().exit_code == 0

    mails = [path.read_text() for path in (tmp_path / "out").rglob("*.mail.*")]
    assert len(mails) == 3 * 2 * len(get_args(Subject))
    assert all("Firefox, Windows" in mail for mail in mails)


def test_problems_elsewhere_in_the_configuration_are_ignored(run, tmp_path):
    done = run(
        "texts: {site: A <b>Site</b>}\n"
        "public_url: https://www.example.org\n"
        "code: {digits: 8}\n"
        "keys_file: /run/secrets/keys\n"
        "store: {kind: redis, url_file: /run/secrets/url}\n"
    )

    assert done.exit_code == 0, done.output
    assert (tmp_path / "out" / "en" / "code.sms.txt").read_text() == (
        "12345678 is your code for A <b>Site</b>. It works for 5 minutes. Give it to nobody.\n"
        "@www.example.org #12345678\n"
    )
    index = (tmp_path / "out" / "index.html").read_text()
    assert "A &lt;b&gt;Site&lt;/b&gt;" in index
    assert "<b>" not in index


@pytest.mark.parametrize("wrong", ["texts: {default_language: xx}", "code: {digits: 99}", "public_url: nowhere", "["])
def test_a_mistake_in_what_messages_are_made_of_is_reported(run, tmp_path, wrong):
    done = run(wrong)

    assert done.exit_code == 2
    assert not (tmp_path / "out").exists()


def test_a_folder_that_can_not_be_written_is_reported(run, tmp_path):
    (tmp_path / "out").write_text("a file")

    assert run().exit_code == 1


def test_only_the_problems_that_matter_are_reported():
    environ = {"HEADGATE_TEXTS__TIMEZONE": "Mars", "HEADGATE_LISTEN__PORT": "x", "HEADGATE_CODE__DIGITS": "7"}

    with pytest.raises(ConfigurationError) as refused:
        load(None, environ, only=PREVIEW_NEEDS)
    assert [key for key, _ in refused.value.problems] == ["texts.timezone"]

    del environ["HEADGATE_TEXTS__TIMEZONE"]
    settings = load(None, environ, only=PREVIEW_NEEDS)
    assert (settings.code.digits, settings.listen.port) == (7, 8080)


@pytest.mark.parametrize(
    ("host", "size"),
    [("www.example.org", "64 of 70, one message"), ("a-rather-long-host.example.org", "79 of 70, 2 messages")],
)
def test_it_shows_what_a_text_message_costs(host, size):
    settings = Settings.model_validate({"public_url": f"https://{host}", "code": {"digits": 8}})
    shown = {page.name: page.size for page in pages(settings, now=0)}

    assert shown["ar/code.sms"] == size
