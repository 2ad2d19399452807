"""The base of every part's options: frozen, without unknown keys, and silent about values.

A value that is never right is refused by a validator. A value that works but is risky is a warning: see `risks`.
"""

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Self, get_args
from urllib.parse import SplitResult, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ModelWrapValidatorHandler,
    PrivateAttr,
    SecretStr,
    model_validator,
)

from gateway.networks import Network, is_loopback, network_named
from gateway.signing import signing_key

# `network_named` reads the text before pydantic tries the union `Network`. The union's own errors would add the names
# of its members to the key.
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

    # Where the secrets were read from, by their names.
    _secret_files: dict[str, Path] = PrivateAttr(default_factory=dict)

    @model_validator(mode="wrap")
    @classmethod
    def _read_files(cls, given: object, build: ModelWrapValidatorHandler[Self]) -> Self:
        if not isinstance(given, Mapping):
            return build(given)
        read, files = dict(given), dict[str, Path]()
        for name, field in cls.model_fields.items():
            path = read.pop(f"{name}_file", None) if is_secret(field.annotation) else None
            if path is None:
                continue
            files[name] = Path(str(path))
            read[name] = UnusableSecret(f"{name} is given, too") if read.get(name) else _content(files[name])
        _fill_in(cls, read)
        _refuse_truth_for_numbers(cls, read)
        built = build(read)
        built._secret_files.update(files)  # noqa: SLF001  # our own
        return built

    def risks(self) -> list[tuple[str, str]]:
        """Return what works here but is risky, as pairs of key and sentence. Each part has risks of its own."""
        return []

    def warnings(self) -> list[tuple[str, str]]:
        """Return what works but is risky, here and in every part inside, as pairs of key and sentence."""
        of_files = [
            (f"{name}_file", sentence) for name, path in self._secret_files.items() if (sentence := risk_of_file(path))
        ]
        inner = [(f"{name}.{key}", sentence) for name, part in self._parts() for key, sentence in part.warnings()]
        return [*self.risks(), *of_files, *inner]

    def _parts(self) -> Iterator[tuple[str, "Options"]]:
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, Options):
                yield name, value
            elif isinstance(value, tuple):
                yield from ((f"{name}.{at}", part) for at, part in enumerate(value) if isinstance(part, Options))


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


def is_plain_http_to_another_host(url: str) -> bool:
    """Return whether others in the network between could read what is sent to *url*."""
    parts = split_url(url)
    return parts.scheme == "http" and not is_loopback(parts.hostname or "")


def risk_of_file(path: Path) -> str | None:
    """Say whether other users can read or write the secret file at *path*; None if they can't.

    A read-only mount belongs to a container, which has no other users. In Kubernetes the files of a Secret belong to
    root, so the gateway's user can read them only if their mode lets all users read (k8s/overlays).
    """
    try:
        if os.statvfs(path).f_flag & os.ST_RDONLY:
            return None
        mode = path.stat().st_mode
    except OSError:
        return None
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f"others can write this file: chmod {mode & 0o740:o}"
    return f"others can read this file: chmod {mode & 0o740:o}" if mode & stat.S_IROTH else None


class Unusable:
    """Takes the place of a value that can't be used. No field accepts it; its *reason* goes into the problem."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


class UnusableSecret(Unusable):
    """Takes the place of a secret whose file can't be used."""


def _fill_in(options: type[Options], given: dict[str, object]) -> None:
    """Complete a part that names only some keys. The others come from the default of the part, as in `flood.name`."""
    for name, field in options.model_fields.items():
        part, default = given.get(name), field.default
        if isinstance(part, Mapping) and isinstance(default, Options) and field.annotation is type(default):
            given[name] = {key: getattr(default, key) for key in default.model_fields_set} | dict(part)


def _refuse_truth_for_numbers(options: type[Options], given: dict[str, object]) -> None:
    """Refuse true and false where a number belongs: pydantic takes them for 1 and 0."""
    for name, field in options.model_fields.items():
        if isinstance(given.get(name), bool) and _is_number(field.annotation):
            given[name] = Unusable("must be a number, not true or false")


def _is_number(annotation: object) -> bool:
    return annotation in (int, float) or any(_is_number(part) for part in get_args(annotation))


def is_secret(annotation: object) -> bool:
    """Return whether a field of this type is a secret, which may come from a file."""
    return annotation is SecretStr or any(is_secret(part) for part in get_args(annotation))


def _content(path: Path) -> str | UnusableSecret:
    # A path that ends with "=" may be base64: somebody may have given the secret itself in place of its file.
    shown = f" {path}" if path.is_absolute() and not path.name.endswith("=") else ""
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        return UnusableSecret(f"can't read{shown} ({error.strerror})")
    except UnicodeDecodeError:
        return UnusableSecret(f"can't read{shown} (not UTF-8)")


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
