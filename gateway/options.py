"""The base of every part's options: frozen, without unknown keys, and with errors that never show a value."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, get_args
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, SecretStr, model_validator

from gateway.networks import Network, network_named
from gateway.signing import signing_key

# Parsed before pydantic tries the union, whose own errors would add the names of its members to the key.
NamedNetwork = Annotated[Network, BeforeValidator(network_named)]


class Options(BaseModel):
    """The options of one part. Each part has a subclass of its own, from which it is opened.

    Every secret may come from a file: `password_file` stands for `password`. To give both is an error.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        # A value may be a secret, so an error names the key only.
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
            read[name] = UnusableSecret(f"{name} is given, too") if read.get(name) else _content(path)
        return read


def split_url(url: str) -> SplitResult:
    """Split *url* and check its port. Raises ValueError, whose message repeats nothing of the URL."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        # `from None`: the library's message repeats a part of the URL.
        raise ValueError("is not an address") from None
    return parts


def http_address(url: str | None) -> str | None:
    """Return *url* without a slash at its end.

    Raises ValueError unless it is http://host or https://host, with an optional port and path.
    """
    if url is None:
        return None
    parts = split_url(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("must be http://host or https://host, with an optional port and path")
    if parts.username or parts.password:
        raise ValueError("must not hold a user name or password")
    return url.rstrip("/")


class UnusableSecret:
    """Takes the place of a secret whose file can't be used. No field accepts it; its *reason* goes into the problem."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


def _is_secret(annotation: object) -> bool:
    return annotation is SecretStr or any(_is_secret(part) for part in get_args(annotation))


def _content(path: object) -> str | UnusableSecret:
    try:
        return Path(str(path)).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return UnusableSecret("can't be read")


def _valid_signing_secret(secret: SecretStr) -> SecretStr:
    try:
        length = len(signing_key(secret.get_secret_value()))
    except ValueError:
        length = 0
    if not 24 <= length <= 64:  # noqa: PLR2004  # the bounds of Standard Webhooks
        raise ValueError("must be whsec_ and base64 of 24 to 64 bytes")
    return secret


SigningSecret = Annotated[SecretStr, AfterValidator(_valid_signing_secret)]
"""A secret as Standard Webhooks defines it: `whsec_` and base64 of 24 to 64 bytes."""
