"""The API as an OpenAPI 3.1 document, made from the endpoints that serve it."""

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Literal

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from gateway import __version__
from gateway.errors import Disabled, GatewayError, TransactionClosed, WrongOtp
from gateway.web.headless.endpoint import Endpoint
from gateway.web.http.error_answers import Failed, Problem
from gateway.web.http.statuses import WORDS, status_of

Json = dict[str, Any]

INFO: Mapping[str, object] = {
    "title": "Headgate",
    "version": __version__,
    "description": "A second factor in front of Drupal. Every answer is JSON and has a `status` and a `message`. Every "
    "answer whose `status` is not `SUCCESS` also has a `code`: decide by it, not by the message.",
    "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
}
TAGS = (
    {"name": "Login", "description": "Log in with a password and a code, and log out."},
    {"name": "Authenticator apps", "description": "Add and remove an authenticator app and its recovery codes."},
)
ACCEPT_LANGUAGE: Mapping[str, object] = {
    "name": "Accept-Language",
    "in": "header",
    "description": "The language of `message`. Codes are sent in it, too, if the account has no language of its own.",
    "schema": {"type": "string"},
    "example": "de-AT, en;q=0.5",
}
HEADERS: Mapping[str, Json] = {
    "X-Request-ID": {
        "description": "Names this request in the gateway's log.",
        "required": True,
        "schema": {"type": "string"},
        "example": "749fda3429f82932",
    },
    "Content-Language": {
        "description": "The language of `message`.",
        "required": True,
        "schema": {"type": "string"},
        "example": "en",
    },
    "Retry-After": {
        "description": "Seconds to wait before the next try.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
        "example": 60,
    },
}
# The words of the answers that say FAILED, each with the `attemptsLeft` of its example.
FAILED = {WrongOtp.word: 4, TransactionClosed.word: 0}
ALWAYS = ("X-Request-ID", "Content-Language")
TO_WAIT = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
# What any endpoint can answer besides the errors that its table names: switched off, or a bug.
EVERYWHERE: tuple[type[GatewayError], ...] = (Disabled, GatewayError)


class Schemas(GenerateJsonSchema):
    """JSON Schema of the models without what only Python needs.

    An optional key may be missing, but is never null. Its default is left out, because generators of types would take
    the key for one that is always there. Keys have no titles, which would repeat their names. They stand in the model's
    order.
    """

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def sort(self, value: JsonSchemaValue, parent_key: str | None = None) -> JsonSchemaValue:
        del parent_key
        return value

    def field_title_should_be_set(self, schema: object) -> bool:
        del schema
        return False


def document(endpoints: Sequence[Endpoint]) -> Json:
    """OpenAPI 3.1 of all *endpoints*."""
    schemas = schemas_of([Problem, Failed, *(model for one in endpoints for model in (one.request, *one.answers))])
    code_of(schemas[name_of(Problem)])["enum"] = sorted(words_of_problems(endpoints))
    code_of(schemas[name_of(Failed)])["enum"] = sorted(FAILED)
    return {
        "openapi": "3.1.0",
        "info": INFO,
        "servers": [{"url": "/", "description": "This gateway."}],
        "tags": TAGS,
        "paths": {one.path: {"post": operation(one, schemas)} for one in endpoints},
        "components": {"schemas": schemas, "headers": HEADERS, "parameters": {"Accept-Language": ACCEPT_LANGUAGE}},
    }


def schemas_of(models: Iterable[Any]) -> Json:
    adapters: list[tuple[Any, Literal["validation"], TypeAdapter[Any]]] = [
        (model, "validation", TypeAdapter(model)) for model in dict.fromkeys(models)
    ]
    _, found = TypeAdapter.json_schemas(adapters, ref_template="#/components/schemas/{model}", schema_generator=Schemas)
    schemas: Json = found["$defs"]
    return schemas


def operation(endpoint: Endpoint, schemas: Json) -> Json:
    name = name_of(endpoint.request)
    content = {"schema": ref(name), "example": example_of(schemas[name], schemas)}
    return {
        "operationId": endpoint.name,
        "tags": [endpoint.request.tag],
        "summary": endpoint.summary,
        "description": endpoint.description,
        "parameters": [{"$ref": "#/components/parameters/Accept-Language"}],
        "requestBody": {"required": True, "content": {"application/json": content}},
        "responses": {"200": success(endpoint, schemas), **problems(endpoint)},
    }


# Answers


def success(endpoint: Endpoint, schemas: Json) -> Json:
    answers = {name_of(model): schemas[name_of(model)] for model in endpoint.answers}
    examples = {
        name: {"summary": schema["description"], "value": example_of(schema, schemas)}
        for name, schema in answers.items()
    }
    return {
        "description": " Or: ".join(schema["description"] for schema in answers.values()),
        "headers": headers(*ALWAYS),
        "content": {"application/json": {"schema": one_of(answers, schemas), "examples": examples}},
    }


def one_of(answers: Mapping[str, Json], schemas: Json) -> Json:
    """The schema of the only answer, or of several that are told apart by their `authType`."""
    if len(answers) == 1:
        return ref(*answers)
    mapping = {
        word: ref(name)["$ref"]
        for name, schema in answers.items()
        for word in words_of(resolved(schema["properties"]["authType"], schemas))
    }
    return {
        "oneOf": [ref(name) for name in answers],
        "discriminator": {"propertyName": "authType", "mapping": mapping},
    }


def problems(endpoint: Endpoint) -> Json:
    """The answers of an endpoint that refuses, by their status."""
    by_status: dict[HTTPStatus, list[type[GatewayError]]] = {HTTPStatus.METHOD_NOT_ALLOWED: []}
    for kind in (*endpoint.events.refused, *EVERYWHERE):
        by_status.setdefault(status_of(kind), []).append(kind)
    return {str(int(status)): refusal(status, sentences(status, kinds)) for status, kinds in sorted(by_status.items())}


def sentences(status: HTTPStatus, kinds: Iterable[type[GatewayError]]) -> dict[str, str]:
    """Each word that an answer of *status* can have, with its sentence."""
    return {kind.word: kind.sentence for kind in kinds} or dict([WORDS[status]])


def refusal(status: HTTPStatus, said: Mapping[str, str]) -> Json:
    over = [word for word in said if word in FAILED]
    schemas = [narrowed(name_of(Failed), over), narrowed(name_of(Problem), [word for word in said if word not in over])]
    possible = [schema for schema in schemas if schema]
    return {
        "description": description_of(said),
        "headers": headers(*ALWAYS, *(["Retry-After"] if status in TO_WAIT else [])),
        "content": {
            "application/json": {
                "schema": possible[0] if len(possible) == 1 else {"oneOf": possible},
                "examples": {word: {"value": problem_example(word, sentence)} for word, sentence in said.items()},
            }
        },
    }


def narrowed(name: str, words: Sequence[str]) -> Json | None:
    """The schema called *name* with only *words* for its code; None without words."""
    if not words:
        return None
    return {
        "allOf": [ref(name), {"type": "object", "required": ["code"], "properties": {"code": {"enum": list(words)}}}]
    }


def description_of(said: Mapping[str, str]) -> str:
    """All sentences in one text. In front of each stand the codes of the errors that say it."""
    by_sentence: dict[str, list[str]] = {}
    for word, sentence in said.items():
        by_sentence.setdefault(sentence, []).append(f"`{word}`")
    return " ".join(f"{', '.join(words)}: {sentence.rstrip('.')}." for sentence, words in by_sentence.items())


def problem_example(word: str, sentence: str) -> Json:
    if word in FAILED:
        return {"status": "FAILED", "message": sentence, "code": word, "attemptsLeft": FAILED[word]}
    return {"status": "ERROR", "message": sentence, "code": word}


def words_of_problems(endpoints: Sequence[Endpoint]) -> set[str]:
    kinds = {kind for one in endpoints for kind in (*one.events.refused, *EVERYWHERE)}
    return {kind.word for kind in kinds} - FAILED.keys() | {word for word, _ in WORDS.values()}


# Parts of a schema


def name_of(model: Any) -> str:
    name: str = model.__name__
    return name


def ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def headers(*names: str) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def resolved(schema: Json, schemas: Json) -> Json:
    """*schema*, or what it refers to."""
    found: Json = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    return found


def code_of(schema: Json) -> Json:
    code: Json = schema["properties"]["code"]
    return code


def words_of(schema: Json) -> list[str]:
    return [schema["const"]] if "const" in schema else schema["enum"]


def example_of(schema: Json, schemas: Json) -> Json:
    """An object with every required key, and with those optional ones that have an example."""
    required = schema.get("required", [])
    return {
        name: example_value(key, schemas)
        for name, key in schema["properties"].items()
        if name in required or "examples" in key
    }


def example_value(key: Json, schemas: Json) -> object:
    if "examples" in key:
        return key["examples"][0]
    whole = resolved(key, schemas)
    if "properties" in whole:
        return example_of(whole, schemas)
    return whole["examples"][0] if "examples" in whole else words_of(whole)[0]
