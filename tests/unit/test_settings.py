"""The configuration: every problem at once, by key, without values."""

import base64
import json

import pytest

from gateway.configuration import ConfigurationError, load

SEAL = "k1:" + base64.b64encode(b"s" * 32).decode()
INDEX = base64.b64encode(b"i" * 32).decode()
ENOUGH = {"HEADGATE_API_KEY": "a-key"}


def problems_of(environ, path=None):
    with pytest.raises(ConfigurationError) as refused:
        load(path, environ)
    return dict(refused.value.problems)


@pytest.fixture
def write(tmp_path):
    def to(name, text):
        path = tmp_path / name
        path.write_text(text)
        return path

    return to


def test_an_api_key_alone_is_enough():
    settings = load(None, ENOUGH)

    assert [client.id for client in settings.headless.clients] == ["default"]
    assert settings.store.kind == "memory"


def test_without_a_client_nobody_could_log_in():
    assert "headless.clients" in problems_of({})


def test_every_problem_is_told_at_once_by_key_and_none_shows_its_value():
    environ = {
        "HEADGATE_LISTEN__PORT": "secret-port",
        "HEADGATE_CODE__DIGITS": "secret-digits",
        "HEADGATE_DRUPAL__URL": "ftp://secret-host",
        "HEADGATE_KEYS": "secret-key",
        "HEADGATE_BOGUS": "secret-bogus",
        "HEADGATE_STORE__URL": "redis://:secret-password@127.0.0.1",
    }

    problems = problems_of(environ)

    assert set(problems) == {
        "listen.port",
        "code.digits",
        "drupal.url",
        "keys",
        "bogus",
        "headless.clients",
        "index_key",
    }
    assert "secret" not in str(problems)


@pytest.mark.parametrize("key", ["trusted_proxies", "policy.exempt_networks"])
@pytest.mark.parametrize("network", ["10.0.0.0/33", "fe80::/999", "10.1.2.3/8", "a-secret-host", ""])
def test_an_invalid_network_is_reported_by_its_key(write, key, network):
    *outer, inner = key.split(".")
    given = {inner: ["192.0.2.0/24", network]}
    path = write("gateway.yaml", json.dumps({outer[0]: given} if outer else given))

    problems = problems_of(ENOUGH, path)

    assert problems == {f"{key}.1": "is not a network like 192.0.2.0/24 or 2001:db8:7::/48"}


def test_an_unknown_key_is_an_error_in_the_file_too(write):
    path = write("gateway.yaml", "listen: {prot: 8080}\n")

    assert problems_of(ENOUGH, path) == {"listen.prot": "unknown key; did you mean port?"}


def test_the_environment_overrides_the_file_key_by_key(write):
    path = write("gateway.yaml", "code: {digits: 8, attempts: 3}\n")

    settings = load(path, ENOUGH | {"HEADGATE_CODE__DIGITS": "7"})

    assert (settings.code.digits, settings.code.attempts) == (7, 3)


def test_a_store_with_an_address_is_a_redis(write):
    path = write("gateway.yaml", "store: {kind: memory}\n")
    environ = ENOUGH | {
        "HEADGATE_STORE__URL": "redis://127.0.0.1",
        "HEADGATE_KEYS": SEAL,
        "HEADGATE_INDEX_KEY": INDEX,
    }

    assert load(path, environ).store.kind == "redis"


@pytest.mark.parametrize("missing", ["HEADGATE_KEYS", "HEADGATE_INDEX_KEY"])
@pytest.mark.parametrize("empty", [True, False])
def test_redis_needs_keys_that_outlive_the_process(missing, empty):
    environ = ENOUGH | {
        "HEADGATE_STORE__URL": "redis://127.0.0.1",
        "HEADGATE_KEYS": SEAL,
        "HEADGATE_INDEX_KEY": INDEX,
    }
    del environ[missing]
    if empty:
        environ[missing] = ""

    assert list(problems_of(environ)) == [missing.removeprefix("HEADGATE_").lower()]


def test_an_empty_list_of_keys_counts_as_no_keys(write):
    path = write("gateway.yaml", f"keys: []\nindex_key: '{INDEX}'\nstore: {{kind: redis, url: 'redis://127.0.0.1'}}\n")

    assert list(problems_of(ENOUGH, path)) == ["keys"]


def test_a_secret_may_come_from_a_file_with_a_line_break_at_its_end(write):
    path = write("index-key", INDEX + "\n")

    settings = load(None, ENOUGH | {"HEADGATE_INDEX_KEY_FILE": str(path)})

    assert settings.index_key.get_secret_value() == INDEX


def test_a_secret_may_not_be_given_both_directly_and_as_a_file(write):
    path = write("index-key", INDEX)
    environ = ENOUGH | {"HEADGATE_INDEX_KEY_FILE": str(path), "HEADGATE_INDEX_KEY": INDEX}

    assert list(problems_of(environ)) == ["index_key_file"]


def test_an_unreadable_secret_file_is_reported_by_its_key():
    assert problems_of(ENOUGH | {"HEADGATE_KEYS_FILE": "/nowhere/keys"}) == {
        "keys_file": "can't read /nowhere/keys (No such file or directory)"
    }


def test_only_secrets_come_from_files():
    assert problems_of(ENOUGH | {"HEADGATE_METHOD_FILE": "/etc/hostname"}) == {
        "method_file": "unknown key; did you mean method?"
    }


def test_two_keys_with_the_same_id_are_refused():
    assert list(problems_of(ENOUGH | {"HEADGATE_KEYS": f"{SEAL} {SEAL}"})) == ["keys"]


def test_an_empty_api_key_is_refused():
    assert list(problems_of({"HEADGATE_API_KEY": ""})) == ["headless.clients.0.api_key"]


def test_a_server_side_frontend_needs_trusted_proxies(write):
    path = write("gateway.yaml", "headless: {clients: [{id: next, kind: server, api_key: key-of-16-letters}]}\n")

    assert list(problems_of({}, path)) == ["trusted_proxies"]
    assert load(path, {"HEADGATE_TRUSTED_PROXIES": "10.0.0.0/8, ::1"}).trusted_proxies


def test_our_limits_must_refuse_before_drupals():
    environ = ENOUGH | {"HEADGATE_FLOOD__NAME": "{most: 5, seconds: 21600}"}

    assert list(problems_of(environ)) == ["flood"]


def test_only_the_mail_channel_may_be_smtp():
    environ = ENOUGH | {"HEADGATE_CHANNELS__SMS": "{kind: smtp, host: 127.0.0.1}"}

    assert list(problems_of(environ)) == ["channels.sms.kind"]


@pytest.mark.parametrize("text", ["- a\n- b\n", "listen: [", "\xff"])
def test_a_file_without_a_mapping_is_reported_by_its_path(tmp_path, text):
    path = tmp_path / "gateway.yaml"
    path.write_bytes(text.encode("latin-1"))

    assert list(problems_of(ENOUGH, path)) == [str(path)]


def test_the_settings_show_no_secret():
    environ = ENOUGH | {"HEADGATE_KEYS": SEAL, "HEADGATE_INDEX_KEY": INDEX}

    shown = repr(load(None, environ))

    assert SEAL not in shown
    assert INDEX not in shown
    assert "a-key" not in shown


@pytest.mark.parametrize(
    ("variable", "value", "key"),
    [
        ("HEADGATE_STORE__KIND", "hunter2", "store.kind"),
        ("HEADGATE_CHANNELS__EMAIL__KIND", "hunter2", "channels.email.kind"),
        ("HEADGATE_PUBLIC_URL", "http://user:hunter2@h\N{ACCOUNT OF}", "public_url"),
        ("HEADGATE_PUBLIC_URL", "http://host:hunter2", "public_url"),
        ("HEADGATE_DRUPAL__URL", "http://user:hunter2@h\N{ACCOUNT OF}", "drupal.url"),
        ("HEADGATE_DRUPAL__URL", "http://host:99999", "drupal.url"),
    ],
)
def test_no_message_of_a_library_repeats_a_value(variable, value, key):
    problems = problems_of(ENOUGH | {variable: value})

    assert list(problems) == [key]
    assert "hunter2" not in str(problems)


@pytest.mark.parametrize(
    ("variable", "value", "key"),
    [
        ("HEADGATE_PUBLIC_URL", "https://www.example.org/login", "public_url"),
        ("HEADGATE_TRUSTED_PROXIES", "10.0.0.0/8 0.0.0.0/0", "trusted_proxies"),
        ("HEADGATE_TRUSTED_PROXIES", "::/0", "trusted_proxies"),
        ("HEADGATE_ADMIN__PORT", "8080", "admin.port"),
    ],
)
def test_what_is_never_right_is_refused(variable, value, key):
    assert list(problems_of(ENOUGH | {variable: value})) == [key]


def test_two_listeners_may_share_a_port_on_addresses_of_their_own():
    ports = {"HEADGATE_LISTEN__HOST": "192.0.2.7", "HEADGATE_ADMIN__PORT": "8080"}

    assert load(None, ENOUGH | ports)


@pytest.mark.parametrize("key", ["code.lifetime_seconds", "code.digits", "drain_seconds", "listen.port"])
def test_true_is_no_number(write, key):
    *outer, inner = key.split(".")
    path = write("gateway.yaml", json.dumps({outer[0]: {inner: True}} if outer else {inner: True}))

    assert problems_of(ENOUGH, path) == {key: "must be a number, not true or false"}


def test_a_limit_that_is_given_in_part_keeps_the_rest_of_its_default(write):
    by_variable = load(None, ENOUGH | {"HEADGATE_FLOOD__NAME__MOST": "3"}).flood.name
    by_file = load(write("gateway.yaml", "flood: {name: {most: 3}}"), ENOUGH).flood.name

    assert by_variable == by_file
    assert (by_variable.most, by_variable.seconds) == (3, 21_600)


@pytest.mark.parametrize(
    ("variable", "suggested"),
    [
        ("HEADGATE_DRUPAL__ULR", "url"),
        ("HEADGATE_CHANELS__EMAIL__HOST", "channels"),
        ("HEADGATE_CHANNELS__EMAIL__PASWORD_FILE", "password_file"),
        ("HEADGATE_CHANNELS__SMS", "secret"),
    ],
)
def test_a_typo_gets_the_key_of_its_level_that_is_most_like_it(variable, suggested):
    value = "{kind: webhook, url: 'https://sender.example.org', secrte: s}" if variable.endswith("SMS") else "x"

    assert f"unknown key; did you mean {suggested}?" in problems_of(ENOUGH | {variable: value}).values()


def test_what_is_like_no_key_gets_no_suggestion():
    assert problems_of(ENOUGH | {"HEADGATE_ZZZZ": "1"}) == {"zzzz": "unknown key"}


@pytest.mark.parametrize(
    ("variable", "value", "key"),
    [
        (
            "HEADGATE_CHANNELS__SMS",
            "{kind: webhook, url: ftp://x, secret: whsec_" + "A" * 43 + "=}",
            "channels.sms.url",
        ),
        ("HEADGATE_CHANNELS__SMS__URL_FILE", "/nowhere/url", "channels.sms.url_file"),
        ("HEADGATE_CHANNELS__EMAIL", "{username: [], password: x}", "channels.email.username"),
        ("HEADGATE_STORE__URL", "ftp://x", "store.url"),
    ],
)
def test_what_follows_from_a_mistake_is_not_reported_beside_it(variable, value, key):
    keys = {"HEADGATE_KEYS": SEAL, "HEADGATE_INDEX_KEY": INDEX}

    with pytest.raises(ConfigurationError) as refused:
        load(None, ENOUGH | keys | {variable: value})

    assert [reported for reported, _ in refused.value.problems] == [key]


def test_a_secret_in_the_place_of_its_file_is_not_shown():
    for given in (SEAL, INDEX, "/" + INDEX[1:]):
        assert given not in str(problems_of(ENOUGH | {"HEADGATE_INDEX_KEY_FILE": given}))


PROXIED = ENOUGH | {"HEADGATE_PROXY__ENABLED": "true", "HEADGATE_KEYS": SEAL, "HEADGATE_INDEX_KEY": INDEX}


def test_the_proxy_needs_the_visitors_address_of_the_site():
    assert "proxy.enabled" in problems_of(PROXIED)["public_url"]
    for key in ("PUBLIC_URL", "DRUPAL__PUBLIC_URL"):
        assert load(None, PROXIED | {f"HEADGATE_{key}": "https://www.example.org"}).proxy.enabled


@pytest.mark.parametrize("key", ["url", "public_url"])
def test_the_proxy_passes_paths_on_as_they_are(key):
    environ = PROXIED | {
        "HEADGATE_PUBLIC_URL": "https://www.example.org",
        f"HEADGATE_DRUPAL__{key.upper()}": "http://a.example/b",
    }

    assert set(problems_of(environ)) == {f"drupal.{key}"}


def test_sealed_cookies_need_keys_that_outlive_the_process():
    proxied = ENOUGH | {"HEADGATE_PROXY__ENABLED": "true", "HEADGATE_PUBLIC_URL": "https://www.example.org"}

    assert set(problems_of(proxied)) == {"keys", "index_key"}
    assert load(None, proxied | {"HEADGATE_GUARD__MODE": "off"})


def test_a_frontend_in_a_browser_can_not_have_plain_cookies(tmp_path):
    path = tmp_path / "gateway.yaml"
    path.write_text("headless: {clients: [{id: web, api_key: 0123456789abcdef, cookies: plain}]}")

    with pytest.raises(ConfigurationError, match="kind: server"):
        load(path, {})


@pytest.mark.parametrize(("key", "value"), [("mode", "observe"), ("mode", "off"), ("bearer", "pass")])
def test_what_leaves_a_way_around_the_second_factor_is_a_warning(key, value):
    environ = PROXIED | {"HEADGATE_PUBLIC_URL": "https://www.example.org", f"HEADGATE_GUARD__{key.upper()}": value}

    assert f"guard.{key}" in dict(load(None, environ).warnings())


def test_cookies_for_other_sites_need_https():
    environ = ENOUGH | {"HEADGATE_RELAY__COOKIES": "cross-site"}

    assert "https" in problems_of(environ | {"HEADGATE_PUBLIC_URL": "http://www.example.org"})["relay.cookies"]
    assert load(None, environ | {"HEADGATE_PUBLIC_URL": "https://www.example.org"})
