"""Where the configuration comes from, and the problems between its keys."""

import base64
import hashlib
from pathlib import Path
from typing import Annotated, Literal, get_args

import pytest
from pydantic import Field, SecretStr, ValidationError

from gateway.configuration import ConfigurationError, load
from gateway.configuration.problems import kinds_in, options_in
from gateway.delivery.channels import MailOptions, PhoneOptions
from gateway.drupal import DrupalOptions
from gateway.options import Options
from gateway.sealing import Unsealable
from gateway.settings import ClientOptions
from gateway.store import StoreOptions

SEAL = base64.b64encode(b"s" * 32).decode()
INDEX = base64.b64encode(b"i" * 32).decode()
ENOUGH = {"HEADGATE_API_KEY": "a-key"}


class Part(Options):
    password: SecretStr | None = None
    note: str = ""


@pytest.fixture
def write(tmp_path):
    def to(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return to


def problems_of(environ, path=None):
    with pytest.raises(ConfigurationError) as refused:
        load(path, environ)
    return dict(refused.value.problems)


@pytest.mark.parametrize("content", ["s3cret", "s3cret\n", "s3cret\r\n", "\n s3cret \n\n"])
def test_a_secret_is_read_without_the_space_around_it(write, content):
    part = Part.model_validate({"password_file": str(write("password", content))})

    assert part.password.get_secret_value() == "s3cret"


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_secret_that_can_not_be_read_is_refused(write, tmp_path, content):
    path = tmp_path if content is None else write("password", content)

    with pytest.raises(ValidationError):
        Part.model_validate({"password_file": str(path)})


def test_a_path_beside_a_secret_is_refused_and_no_path_is_not(write):
    path = write("password", "s3cret")

    with pytest.raises(ValidationError) as refused:
        Part.model_validate({"password": "other", "password_file": str(path)})

    assert "other" not in str(refused.value)
    assert Part.model_validate({"password": "other", "password_file": None}).password.get_secret_value() == "other"


def test_options_can_not_be_changed_and_show_no_secret():
    part = Part(password=SecretStr("s3cret"))

    assert "s3cret" not in repr(part)
    with pytest.raises(ValidationError):
        part.note = "changed"


def test_the_key_of_the_only_client_may_come_from_a_file(write):
    path = write("api-key", "a-key\n")
    settings = load(None, {"HEADGATE_API_KEY_FILE": str(path)})

    assert settings.headless.clients[0].digest() == hashlib.sha256(b"a-key").digest()


def test_the_key_in_the_environment_replaces_the_clients_in_the_file(write):
    path = write("gateway.yaml", "headless: {clients: [{id: web, api_key: another-of-16-letters}]}")

    assert [client.id for client in load(path, ENOUGH).headless.clients] == ["default"]
    assert [client.id for client in load(path, {}).headless.clients] == ["web"]


def test_a_hashed_key_is_the_same_key(write):
    digest = hashlib.sha256(b"a-key").hexdigest()
    path = write("gateway.yaml", f"headless: {{clients: [{{id: web, api_key_sha256: {digest}}}]}}")

    assert load(path, {}).headless.clients[0].digest().hex() == digest


def test_clients_may_be_written_in_the_environment():
    environ = {
        "HEADGATE_HEADLESS__CLIENTS": "[{id: web, api_key: key-of-16-letters, origins: ['https://app.example.org']}]"
    }
    [client] = load(None, environ).headless.clients

    assert (client.id, client.origins) == ("web", ("https://app.example.org",))


@pytest.mark.parametrize("text", ["10.0.0.0/8, ::1", "10.0.0.0/8 ::1", "[10.0.0.0/8, '::1']", "10.0.0.0/8,::1"])
def test_a_list_in_the_environment_is_words_or_yaml(text):
    networks = load(None, ENOUGH | {"HEADGATE_TRUSTED_PROXIES": text}).trusted_proxies

    assert [str(network) for network in networks] == ["10.0.0.0/8", "::1/128"]


@pytest.mark.parametrize("text", ["", "null"])
def test_nothing_in_the_environment_takes_away_what_the_file_says(write, text):
    path = write("gateway.yaml", "public_url: https://www.example.org")

    assert load(path, ENOUGH | {"HEADGATE_PUBLIC_URL": text}).public_url is None


@pytest.mark.parametrize("name", ["HEADGATE_TRUSTED_PROXIES", "HEADGATE_HEADLESS__CLIENTS", "HEADGATE_STORE"])
@pytest.mark.parametrize("text", ["[secret-10.0.0.1", "[2026-13-45]", "{secret: [}"])
def test_a_variable_that_is_neither_text_nor_yaml_is_reported_once_by_its_name(name, text):
    environ = {} if "CLIENTS" in name else ENOUGH
    problems = problems_of(environ | {name: text})

    assert set(problems) == {name}
    assert "secret" not in str(problems)


@pytest.mark.parametrize(
    "name", ["HEADGATE_LISTEN__PROT", "HEADGATE_BOGUS__A__B", "HEADGATE_STORE__BOGUS", "HEADGATE__X"]
)
def test_an_unknown_variable_with_our_prefix_is_an_error(name):
    [(key, sentence)] = problems_of(ENOUGH | {name: "secret"}).items()

    assert key.split(".")[0] == name.removeprefix("HEADGATE_").lower().split("__")[0] or key == "configuration"
    assert "secret" not in sentence


@pytest.mark.parametrize("turn", [1, -1])
def test_a_mapping_in_the_environment_overwrites_no_other_variable(turn):
    variables = [("HEADGATE_CODE", "{digits: 8}"), ("HEADGATE_CODE__ATTEMPTS", "3")]
    code = load(None, ENOUGH | dict(variables[::turn])).code

    assert (code.digits, code.attempts) == (8, 3)


def test_variables_without_our_prefix_are_ignored():
    assert load(None, ENOUGH | {"PATH": "/bin", "HEADGATES_BOGUS": "1", "HEADGATE_CONFIG": "/etc/headgate.yaml"})


@pytest.mark.parametrize(
    "document", ["drupal: text", "drupal: [1]", "drupal: null", "store: 5", "headless: {clients: {a: 1}}"]
)
def test_a_part_of_another_type_is_reported_by_its_key(write, document):
    problems = problems_of(ENOUGH if "clients" not in document else {}, write("gateway.yaml", document))

    assert {key.split(".")[0] for key in problems} == {document.split(":")[0]}


@pytest.mark.parametrize("environ", [ENOUGH, {}, {"HEADGATE_STORE__URL": "redis://127.0.0.1/0"}])
def test_a_missing_file_is_reported_and_not_what_it_may_hold(environ):
    assert problems_of(environ, Path("/nowhere/gateway.yaml")) == {
        "/nowhere/gateway.yaml": "can't be read (No such file or directory)"
    }


@pytest.mark.parametrize("document", ["headless: [", "- a list", "\xff"])
def test_of_a_file_that_is_no_configuration_nothing_is_called_missing(tmp_path, document):
    path = tmp_path / "gateway.yaml"
    path.write_text(document, encoding="latin-1")

    assert list(problems_of({}, path)) == [str(path)]


def test_a_wrong_variable_is_reported_beside_a_missing_file():
    problems = problems_of(ENOUGH | {"HEADGATE_LISTEN__PORT": "x"}, Path("/nowhere/gateway.yaml"))

    assert list(problems) == ["/nowhere/gateway.yaml", "listen.port"]


def test_a_file_with_a_mistake_is_reported_by_its_line_and_without_its_text(write):
    problems = problems_of(ENOUGH, write("gateway.yaml", "listen:\n  port: [secret\n"))

    assert "line 3" in str(problems)
    assert "secret" not in str(problems)


def test_an_impossible_date_is_a_mistake_in_the_file(write):
    path = write("gateway.yaml", "log: {level: 2026-13-45}")

    assert problems_of(ENOUGH, path) == {str(path): "is not YAML"}


def test_an_empty_file_changes_nothing(write):
    assert load(write("gateway.yaml", "# nothing\n"), ENOUGH) == load(None, ENOUGH)


KEY_DIGEST = hashlib.sha256(b"key-of-16-letters").hexdigest()
ONE_CLIENT = "headless: {clients: [{id: a, api_key: key-of-16-letters}]}"
SMS = "channels: {sms: {kind: console}}"
CLIENTS = "headless: {{clients: [{{id: a, {one}}}, {{id: {id}, {other}}}]}}"


@pytest.mark.parametrize(
    ("document", "key", "sentence"),
    [
        (
            CLIENTS.format(one="api_key: key-of-16-letters", id="a", other="api_key: ley-of-16-letters"),
            "headless.clients",
            "two clients have the same id",
        ),
        (
            CLIENTS.format(one="api_key: key-of-16-letters", id="b", other="api_key: key-of-16-letters"),
            "headless.clients",
            "two clients have the same apiKey",
        ),
        (
            CLIENTS.format(one="api_key: key-of-16-letters", id="b", other=f"api_key_sha256: {KEY_DIGEST}"),
            "headless.clients",
            "two clients have the same apiKey",
        ),
        (
            "method: SMS\nheadless: {clients: [{id: a, api_key: key-of-16-letters}]}",
            "method",
            "its channel is not configured",
        ),
        ("method: PIGEON\nheadless: {clients: [{id: a, api_key: key-of-16-letters}]}", "method", "must be one of"),
        (
            "channels: {email: null}\nheadless: {clients: [{id: a, api_key: key-of-16-letters}]}",
            "method",
            "its channel is not configured",
        ),
        (f"fallback: {{SMS: PIGEON}}\n{ONE_CLIENT}", "fallback.SMS", "both must be of"),
        (f"fallback: {{PIGEON: EMAIL}}\n{ONE_CLIENT}", "fallback.PIGEON", "both must be of"),
        (f"fallback: {{SMS: EMAIL}}\n{ONE_CLIENT}", "fallback.SMS", "a channel of it is not configured"),
        (f"fallback: {{EMAIL: SMS}}\n{ONE_CLIENT}", "fallback.EMAIL", "a channel of it is not configured"),
        (f"fallback: {{EMAIL: EMAIL}}\n{ONE_CLIENT}", "fallback.EMAIL", "leads back"),
        (f"fallback: {{SMS AND EMAIL: EMAIL}}\n{SMS}\n{ONE_CLIENT}", "fallback.SMS AND EMAIL", "leads back"),
        (f"fallback: {{SMS: SMS AND EMAIL}}\n{SMS}\n{ONE_CLIENT}", "fallback.SMS", "leads back"),
        ("headless: {clients: []}", "headless.clients", "at least one client is needed"),
    ],
)
def test_keys_in_conflict_are_reported(write, document, key, sentence):
    [problem] = problems_of({}, write("gateway.yaml", document)).items()

    assert problem[0] == key
    assert problem[1].startswith(sentence)


def test_a_circular_fallback_is_reported_for_each_of_its_methods(write):
    document = f"fallback: {{SMS: EMAIL, EMAIL: SMS}}\n{SMS}\n{ONE_CLIENT}"

    assert problems_of({}, write("gateway.yaml", document)).keys() == {"fallback.SMS", "fallback.EMAIL"}


def test_a_fallback_from_one_channel_to_the_next_is_fine(write):
    document = f"""
      fallback: {{SMS: EMAIL, EMAIL: PHONE VERIFICATION}}
      channels: {{sms: {{kind: console}}, voice: {{kind: console}}}}
      {ONE_CLIENT}
    """

    assert load(write("gateway.yaml", document), {}).fallback == {"SMS": "EMAIL", "EMAIL": "PHONE VERIFICATION"}


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ("channels: {sms: {kind: apprise}}", "channels.sms.url"),
        ("channels: {sms: {}}", "channels.sms.url"),
        ("channels: {sms: {kind: pigeon}}", "channels.sms.kind"),
        ("channels: {sms: {url: 'pigeon://secret-1@host/{to}'}}", "channels.sms.url"),
        ("channels: {sms: {url: 'twilio://secret-1:secret-1@+12025550100/+12025550101'}}", "channels.sms.url"),
        ("channels: {sms: {kind: webhook, url: 'https://a:secret-1@b', secret: whsec_AAAA}}", "channels.sms.url"),
        ("channels: {email: {kind: webhook, url: 'https://b', secret: secret-1}}", "channels.email.secret"),
        ("webhook: {url: 'https://b', secret: secret-1}", "webhook.secret"),
        ("webhook: {url: 'secret-1', secret: whsec_AAAA}", "webhook.url"),
        ("numbers: {default_region: secret-1}", "numbers.default_region"),
        ("numbers: {allowed_regions: [DE, secret-1]}", "numbers.allowed_regions.1"),
    ],
)
def test_a_mistake_in_a_channel_is_reported_by_its_key_and_without_its_value(write, given, key):
    problems = problems_of({}, write("gateway.yaml", f"{given}\n{ONE_CLIENT}"))

    assert key in problems
    assert "secret-1" not in str(problems)


def test_all_conflicts_are_reported_at_once(write):
    document = """
      method: SMS
      channels: {voice: {kind: smtp}}
      store: {url: "redis://127.0.0.1/0"}
      headless: {clients: [{id: a, kind: server, api_key: key-of-16-letters}, {id: a, api_key: key-of-16-letters}]}
    """

    with pytest.raises(ConfigurationError) as refused:
        load(write("gateway.yaml", document), {})

    assert sorted({key for key, _ in refused.value.problems}) == [
        "channels.voice.kind",
        "headless.clients",
        "index_key",
        "keys",
        "method",
        "trusted_proxies",
    ]


def test_without_the_headless_api_no_client_is_needed():
    assert not load(None, {"HEADGATE_HEADLESS__ENABLED": "false"}).headless.enabled


def test_a_channel_for_development_makes_its_method_usable():
    environ = ENOUGH | {"HEADGATE_METHOD": "SMS AND EMAIL", "HEADGATE_CHANNELS__SMS": "{kind: console}"}

    assert load(None, environ).method == "SMS AND EMAIL"


@pytest.mark.parametrize(
    "url",
    [
        "www.example.org",
        "ftp://www.example.org",
        "https://",
        "https://secret:word@www.example.org",
        "https://www.example.org/?a=b",
        "https://www.example.org/#a",
    ],
)
@pytest.mark.parametrize("name", ["HEADGATE_PUBLIC_URL", "HEADGATE_DRUPAL__URL", "HEADGATE_DRUPAL__PUBLIC_URL"])
def test_an_invalid_url_is_reported_by_its_key_and_not_shown(name, url):
    problems = problems_of(ENOUGH | {name: url})

    assert list(problems) == [name.removeprefix("HEADGATE_").lower().replace("__", ".")]
    assert "secret" not in str(problems)


@pytest.mark.parametrize(
    "origin", ["https://a.example/", "a.example", "https://a.example/x", "*", "null", "ftp://a.example"]
)
def test_an_origin_that_no_browser_sends_is_reported(write, origin):
    path = write(
        "gateway.yaml", f"headless: {{clients: [{{id: a, api_key: key-of-16-letters, origins: ['{origin}']}}]}}"
    )

    assert list(problems_of({}, path)) == ["headless.clients.0.origins"]


def test_keys_may_be_a_list_or_words_or_lines_of_a_file(write):
    keys = f"k2:{SEAL} k1:{INDEX}"
    as_list = write("gateway.yaml", f"keys: ['k2:{SEAL}', 'k1:{INDEX}']")
    in_a_file = write("keys", keys.replace(" ", "\n") + "\n")

    assert load(as_list, ENOUGH).keys == load(None, ENOUGH | {"HEADGATE_KEYS": keys}).keys == SecretStr(keys)
    sealed = load(None, ENOUGH | {"HEADGATE_KEYS_FILE": str(in_a_file)}).sealer().seal("parked", "name", b"plain")
    assert load(as_list, ENOUGH).sealer().open("parked", "name", sealed) == b"plain"


@pytest.mark.parametrize("key", ["k1:short", "k1", ":" + SEAL, f"k 1:{SEAL}", f"k1:{SEAL[:-4]}", SEAL])
def test_an_invalid_key_is_reported_and_not_shown(key):
    problems = problems_of(ENOUGH | {"HEADGATE_KEYS": key})

    assert list(problems) == ["keys"]
    assert key not in str(problems)


def test_without_keys_each_process_makes_its_own():
    settings = load(None, ENOUGH)
    sealed = settings.sealer().seal("parked", "name", b"plain")

    with pytest.raises(Unsealable):
        settings.sealer().open("parked", "name", sealed)


def test_drupal_has_the_gateways_public_url_unless_it_has_its_own():
    ours = ENOUGH | {"HEADGATE_PUBLIC_URL": "https://www.example.org/"}

    assert load(None, ours).drupal_with_public_url().public_url == "https://www.example.org"
    assert (
        load(None, ours | {"HEADGATE_DRUPAL__PUBLIC_URL": "https://cms.example.org"})
        .drupal_with_public_url()
        .public_url
        == "https://cms.example.org"
    )


def kinds_of(union):
    return sorted(get_args(options.model_fields["kind"].annotation)[0] for options in options_in(union))


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        *(("store", kind) for kind in kinds_of(StoreOptions)),
        *(("channels.email", kind) for kind in kinds_of(MailOptions)),
        *(("channels.sms", kind) for kind in kinds_of(PhoneOptions)),
        *(("drupal", kind) for kind in kinds_of(DrupalOptions)),
    ],
)
def test_a_mistake_in_every_kind_of_part_is_reported_without_the_kind_in_its_key(write, place, kind):
    mistake = f"{{kind: {kind}, bogus: 1}}"
    for name in reversed(place.split(".")):
        mistake = f"{{{name}: {mistake}}}"

    assert problems_of(ENOUGH, write("gateway.yaml", mistake))[f"{place}.bogus"] == "unknown key"


def test_a_new_kind_is_known_from_its_union_alone():
    class Pigeon(Options):
        kind: Literal["pigeon"] = "pigeon"

    class Raven(Options):
        kind: Literal["raven"] = "raven"

    class Birds(Options):
        first: Annotated[Pigeon | Raven, Field(discriminator="kind")] | None = None
        # A choice of one is no union: pydantic names no kind for it.
        last: ClientOptions | None = None

    class Aviary(Options):
        birds: tuple[Birds, ...] = ()

    assert kinds_in(Aviary) == {"pigeon", "raven"}
