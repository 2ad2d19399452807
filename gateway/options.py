"""The base of every part's options: frozen, strict about keys, silent about values."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, get_args
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, SecretStr, model_validator

from gateway.networks import Network, network_named
from gateway.signing import signing_key

# Before the union, whose own problems have names that nobody can read.
NamedNetwork = Annotated[Network, BeforeValidator(network_named)]


class Options(BaseModel):
    """A part's share of the configuration; each part owns its own subclass and opens itself from it.

    Every secret may come from a file instead: `password_file` stands for `password`. Both given is an error.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        # A value may be a secret; a problem is named by its key alone.
        hide_input_in_errors=True,
        validate_default=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _read_files(cls, given: object) -> object:
        if not isinstance(given, Mapping):
            return given
        read = dict(given)
        for name, field in cls.model_fields.items():
            path = read.pop(f"{name}_file", None) if _is_secret(field.annotation) else None
            if path is None:
                continue
            read[name] = Problem(f"{name} is given, too") if read.get(name) else _content(path)
        return read


def split(url: str) -> SplitResult:
    """The parts of *url*, its port looked at. Raises ValueError, which does not repeat any of it."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        # `from None`: the library's own words show a part of it.
        raise ValueError("is not an address") from None
    return parts


def http_address(url: str | None) -> str | None:
    """*url* without a slash at its end. Raises ValueError unless it is http(s)://host, port and path being optional."""
    if url is None:
        return None
    parts = split(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("must be http://host or https://host, with an optional port and path")
    if parts.username or parts.password:
        raise ValueError("must not hold a user name or password")
    return url.rstrip("/")


class Problem:
    """Stands where a secret should: no field accepts it, and whoever lists what is wrong finds the reason in it."""

    def __init__(self, sentence: str) -> None:
        self.sentence = sentence


def _is_secret(annotation: object) -> bool:
    return annotation is SecretStr or any(_is_secret(part) for part in get_args(annotation))


def _content(path: object) -> str | Problem:
    try:
        return Path(str(path)).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return Problem("can't be read")


def _usable(secret: SecretStr) -> SecretStr:
    try:
        length = len(signing_key(secret.get_secret_value()))
    except ValueError:
        length = 0
    if not 24 <= length <= 64:  # noqa: PLR2004  # Standard Webhooks' own bounds
        raise ValueError("must be whsec_ and base64 of 24 to 64 bytes")
    return secret


SigningSecret = Annotated[SecretStr, AfterValidator(_usable)]
"""`whsec_` and base64 of 24 to 64 bytes, as Standard Webhooks has it."""
