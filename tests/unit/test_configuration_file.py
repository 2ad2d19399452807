"""config/gateway.yaml: every key, with its default and a comment."""

import json
import re
from pathlib import Path
from typing import get_args

import pytest
import yaml
from pydantic_core import PydanticUndefined

from gateway.configuration import ConfigurationError, load
from gateway.options import Options
from gateway.settings import Settings

ROOT = Path(__file__).parents[2]
FILE = ROOT / "config" / "gateway.yaml"
SEAL_KEY = "k1:" + "A" * 43 + "="
INDEX_KEY = "B" * 42 + "A="
# Null by default; otherwise the same options as `channels.sms`.
WHOLE = {"channels.voice", "channels.whatsapp"}


def models_in(annotation):
    if isinstance(annotation, type) and issubclass(annotation, Options):
        return [annotation]
    return [model for part in get_args(annotation) for model in models_in(part)]


def keys_of(model, value, folder=""):
    """Every key with its default, as the code has them; for a union, the keys of all its kinds."""
    keys = {}
    for name, field in model.model_fields.items():
        key = folder + name
        default = getattr(value, name) if isinstance(value, model) else field.default
        parts = [] if key in WHOLE else models_in(field.annotation)
        if not parts or isinstance(default, tuple):
            keys[key] = default
        for part in parts:
            keys = keys_of(part, default, f"{key}.") | keys
    return keys


KEYS = keys_of(Settings, Settings())


def shown_default(default):
    """A default as docs/configuration.md writes it."""
    if default is PydanticUndefined:
        return "–"
    match default:
        case None | bool():
            text = json.dumps(default)
        case tuple():
            text = f"[{', '.join(default)}]"
        case float() if default.is_integer():
            text = str(int(default))
        case _:
            text = str(default) or '""'
    return f"`{text}`"


# A key in a comment: `# store:`, `#   kind: memory`, `    # - id: web`.
COMMENTED = re.compile(r"^( *)# ( *(?:- )?[a-z_0-9]+:(?: .*)?)$", re.MULTILINE)


def written():
    """The file, with the keys that are commented out."""
    return yaml.safe_load(re.sub(r"(clients|by_role): \[\]", r"\1:", COMMENTED.sub(r"\1\2", FILE.read_text())))


def flat(tree, folder=""):
    keys = {}
    for name, value in tree.items():
        key = folder + name
        match value:
            case {**inner} if inner:
                keys |= flat(value, f"{key}.")
            case [dict() as first]:
                keys |= {key: ()} | flat(first, f"{key}.")
            case list():
                keys[key] = tuple(value)
            case _:
                keys[key] = value
    return keys


def test_it_has_every_setting_and_nothing_else():
    assert set(flat(written())) == set(KEYS)


# Keys without a usable default have an example.
EXAMPLES = {key for key, default in KEYS.items() if default is PydanticUndefined} | {"headless.clients.api_key_sha256"}


@pytest.mark.parametrize("key", sorted(KEYS.keys() - EXAMPLES))
def test_it_has_the_default(key):
    assert flat(written())[key] == KEYS[key]


def test_every_key_has_a_comment():
    lines = [line for line in FILE.read_text().splitlines() if re.match(r"^ *(# *)?(- )?[a-z_0-9]+: *[^ ]", line)]

    assert [line for line in lines if not re.search(r" {1,}# \S", line[line.index(":") :])] == []


def test_unchanged_it_changes_nothing():
    settings = load(FILE, {"HEADGATE_API_KEY": "made"})

    assert settings == load(None, {"HEADGATE_API_KEY": "made"})


def test_without_a_client_it_asks_for_one_and_for_nothing_else():
    with pytest.raises(ConfigurationError) as caught:
        load(FILE, {})

    assert [key for key, _ in caught.value.problems] == ["headless.clients"]


@pytest.mark.parametrize(
    "environment",
    [
        {"HEADGATE_STORE__URL": "redis://127.0.0.1/0", "HEADGATE_KEYS": SEAL_KEY, "HEADGATE_INDEX_KEY": INDEX_KEY},
        {"HEADGATE_STORE__KIND": "memory", "HEADGATE_STORE__MOST_ENTRIES": "5"},
        {"HEADGATE_CHANNELS__EMAIL__HOST": "smtp.example.org", "HEADGATE_CHANNELS__EMAIL__SECURITY": "starttls"},
        {"HEADGATE_DRUPAL__URL": "http://drupal.internal", "HEADGATE_TRUSTED_PROXIES": "10.0.0.0/8 192.0.2.7"},
    ],
    ids=lambda environment: next(iter(environment)),
)
def test_the_environment_can_configure_the_rest(environment):
    """The image has this file, and can be configured by the environment alone."""
    assert load(FILE, {"HEADGATE_API_KEY": "made"} | environment) == load(
        None, {"HEADGATE_API_KEY": "made"} | environment
    )
