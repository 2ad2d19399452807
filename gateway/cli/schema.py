"""The JSON Schema of the configuration, for editors. What it accepts may still be refused: `check-config` decides.

It requires no key: a secret may come from a file, the environment may have the rest, and a limit has defaults.
"""

from typing import Any

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
# A list, or words in one text: validators of gateway/settings.py accept both.
WORDS = {"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "string"}, {"type": "null"}]}


def configuration_schema() -> Schema:
    """Return the schema of the whole tree."""
    from gateway.settings import Settings

    schema = Settings.model_json_schema()
    for options in (schema, *schema["$defs"].values()):
        add_secret_files(options)
    schema["properties"] |= {"keys": WORDS, "trusted_proxies": WORDS}
    return {**with_any_of(schema), "$schema": DIALECT, "title": "Headgate"}


def add_secret_files(options: Schema) -> None:
    """Let each secret of *options* come from a file: `password_file` stands for `password`."""
    properties = options.get("properties", {})
    for name in [name for name, given in properties.items() if is_secret(given)]:
        properties[f"{name}_file"] = {"type": ["string", "null"], "description": f"The file to read {name} from."}
    options.pop("required", None)


def is_secret(given: Schema) -> bool:
    return any(one.get("format") == "password" for one in (given, *given.get("anyOf", [])))


def with_any_of(schema: Any) -> Any:
    """Return *schema* with `anyOf` in place of `oneOf`: options that give no `kind` may fit more than one kind."""
    if isinstance(schema, dict):
        return {"anyOf" if name == "oneOf" else name: with_any_of(value) for name, value in schema.items()}
    return [with_any_of(value) for value in schema] if isinstance(schema, list) else schema
