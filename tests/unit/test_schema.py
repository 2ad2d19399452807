"""The JSON Schema of the configuration, as an editor uses it."""

import json

import pytest
import yaml
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from gateway.cli.main import app
from tests.unit.test_configuration_file import FILE, ROOT, written


@pytest.fixture(scope="module")
def schema():
    return json.loads(CliRunner().invoke(app, ["schema"]).output)


@pytest.fixture
def mistakes(schema):
    return lambda document: [error.message for error in Draft202012Validator(schema).iter_errors(document)]


def test_it_is_a_schema(schema):
    Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("path", [FILE, ROOT / "k8s/base/gateway.yaml"], ids=str)
def test_our_own_files_have_no_mistakes(mistakes, path):
    assert mistakes(yaml.safe_load(path.read_text())) == []


def test_it_knows_every_key(mistakes):
    document = written()
    # The comments show the keys of every kind together.
    for part in (document["store"], document["channels"]["email"], document["channels"]["sms"]):
        part.clear()
    document["headless"]["clients"][0]["api_key_sha256"] = "0" * 64

    assert mistakes(document) == []


@pytest.mark.parametrize(
    "document",
    [
        {"channels": {"email": {"host": "smtp.example.org", "password_file": "/run/secrets/smtp"}}},
        {"channels": {"sms": {"kind": "webhook", "url_file": "/run/secrets/url", "secret_file": "/run/secrets/s"}}},
        {"store": {"url": "redis://127.0.0.1/0"}},
        {"trusted_proxies": "10.0.0.0/8 ::1", "keys": ["k1:x"], "index_key_file": "/run/secrets/index"},
        {"flood": {"name": {"most": 3}}},
    ],
)
def test_what_can_be_used_is_no_mistake(mistakes, document):
    assert mistakes(document) == []


@pytest.mark.parametrize(
    "document",
    [
        {"listen": {"prot": 8080}},
        {"code": {"digits": 5}},
        {"code": {"lifetime_seconds": True}},
        {"channels": {"sms": {"kind": "pigeon"}}},
        {"method_file": "/x"},
    ],
)
def test_what_is_wrong_is_marked(mistakes, document):
    assert mistakes(document)
