"""What works but is risky: `check-config` warns, and `--strict` makes it an error."""

import os
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from gateway.cli.main import app
from gateway.configuration import ConfigurationError, load

SAFE = {"HEADGATE_API_KEY": "a-key-that-is-long-enough", "HEADGATE_PUBLIC_URL": "https://www.example.org"}
SIGNING = "whsec_" + "A" * 43 + "="


def warnings_of(**changes):
    return dict(load(None, SAFE | {f"HEADGATE_{name}": value for name, value in changes.items()}).warnings())


def check(*arguments, **changes):
    return CliRunner().invoke(app, ["check-config", *arguments], env=SAFE | {"HEADGATE_CONFIG": None} | changes)


@pytest.fixture
def key_file(tmp_path):
    """Makes a secret file with a mode."""

    def made(mode):
        path = tmp_path / "key"
        path.write_text("a-key-that-is-long-enough")
        path.chmod(mode)
        return {"HEADGATE_API_KEY_FILE": str(path), "HEADGATE_PUBLIC_URL": SAFE["HEADGATE_PUBLIC_URL"]}

    return made


def test_a_safe_configuration_has_no_warning():
    assert warnings_of() == {}


@pytest.mark.parametrize(
    ("name", "value", "key"),
    [
        ("PUBLIC_URL", "http://www.example.org", "public_url"),
        ("PUBLIC_URL", "", "public_url"),
        ("API_KEY", "a", "headless.clients.0.api_key"),
        (
            "CHANNELS__SMS",
            f"{{kind: webhook, url: 'http://sender.example.org/', secret: {SIGNING}}}",
            "channels.sms.url",
        ),
        (
            "CHANNELS__EMAIL",
            "{host: smtp.example.org, security: none, username: a, password: hunter2}",
            "channels.email.security",
        ),
    ],
)
def test_what_is_risky_is_a_warning_by_its_key(name, value, key):
    warnings = warnings_of(**{name: value})

    assert list(warnings) == [key]
    assert "hunter2" not in str(warnings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PUBLIC_URL", "http://localhost:8080"),
        ("PUBLIC_URL", "http://[::1]:8080"),
        ("CHANNELS__SMS", f"{{kind: webhook, url: 'http://127.0.0.1/', secret: {SIGNING}}}"),
        ("CHANNELS__SMS", f"{{kind: webhook, url: 'https://sender.example.org/', secret: {SIGNING}}}"),
        ("CHANNELS__EMAIL", "{host: localhost, username: a, password: b}"),
        ("CHANNELS__EMAIL", "{host: smtp.example.org, security: tls, username: a, password: b}"),
        ("CHANNELS__EMAIL", "{host: smtp.example.org}"),
    ],
)
def test_what_stays_on_this_machine_or_is_encrypted_is_no_warning(name, value):
    assert warnings_of(**{name: value}) == {}


def test_without_browsers_no_public_url_is_needed(tmp_path):
    path = tmp_path / "gateway.yaml"
    path.write_text(
        "trusted_proxies: [10.0.0.0/8]\nheadless: {clients: [{id: next, kind: server, api_key: a-key-of-the-next-frontend}]}"
    )

    assert load(path, {}).warnings() == []


@pytest.mark.parametrize(
    ("mode", "who"),
    [(0o600, None), (0o640, None), (0o644, "read"), (0o444, "read"), (0o660, "write"), (0o602, "write")],
)
def test_a_secret_file_that_others_can_read_or_write_is_a_warning(key_file, mode, who):
    warnings = load(None, key_file(mode)).warnings()

    assert [key for key, _ in warnings] == (["headless.clients.0.api_key_file"] if who else [])
    assert who is None or f"others can {who} this file" in warnings[0][1]


def test_a_secret_file_on_a_read_only_mount_is_no_warning(key_file, monkeypatch):
    environ = key_file(0o444)
    monkeypatch.setattr(os, "statvfs", lambda _path: SimpleNamespace(f_flag=os.ST_RDONLY))

    assert load(None, environ).warnings() == []


def test_a_short_key_in_the_file_is_refused(tmp_path):
    path = tmp_path / "gateway.yaml"
    path.write_text("headless: {clients: [{id: web, api_key: a}]}")

    with pytest.raises(ConfigurationError) as refused:
        load(path, {})

    assert [key for key, _ in refused.value.problems] == ["headless.clients.0.api_key"]
    assert load(path, SAFE)


def test_check_config_shows_warnings_and_only_strict_fails():
    risky = {"HEADGATE_PUBLIC_URL": "http://www.example.org"}

    shown, strict, safe = check(**risky), check("--strict", **risky), check("--strict")

    assert (shown.exit_code, strict.exit_code, safe.exit_code) == (0, 1, 0)
    assert "warning: public_url is http: others in the network can read" in shown.output
    assert "warning" not in safe.output


def test_check_config_says_that_browser_clients_need_a_public_url():
    browsers = {"HEADGATE_PUBLIC_URL": None}

    shown, strict = check(**browsers), check("--strict", **browsers)

    assert "warning: public_url is not set: any host name counts as the gateway's own (DNS rebinding)" in shown.output
    assert (shown.exit_code, strict.exit_code) == (0, 1)
