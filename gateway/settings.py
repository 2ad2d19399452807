"""The whole configuration as one frozen tree: file, environment and secret files, with all problems at once."""

import os
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator

from gateway.account import Client
from gateway.auth_types import ENROLLED, METHODS
from gateway.delivery.channels import ChannelOptions, ChannelsOptions
from gateway.delivery.courier import CourierOptions
from gateway.delivery.numbers import NumberOptions
from gateway.drupal import DrupalOptions, SessionOptions
from gateway.factors import CodeOptions, TotpOptions
from gateway.flood.limits import FloodOptions
from gateway.login.methods import fallback_problems
from gateway.options import NamedNetwork, Options, Problem, http_address, split
from gateway.policy.options import PolicyOptions
from gateway.store import MemoryOptions, RedisOptions, Sealer, SealKey, StoreOptions, parse_secret
from gateway.telemetry.event_webhook import EventWebhookOptions
from gateway.texts.messages import TextOptions

Port = Annotated[int, Field(ge=0, le=65535)]
PREFIX = "HEADGATE_"
# Each round takes away what was wrong in the one before; a tree is not deeper.
MOST_ROUNDS = 8
# Read by the command, not a part of the tree.
NOT_KEYS = frozenset({"CONFIG", "API_KEY", "API_KEY_FILE"})
# No method of the site's: the first of policy.methods that reaches the account, unless it asks for another.
USER_CHOICE = "user choice"
# These stand in pydantic's names of places, but in nobody's configuration.
KINDS = frozenset({"memory", "redis", "smtp", "apprise", "webhook", "console", "session"})


class ConfigurationError(Exception):
    """Everything that is wrong with a configuration: pairs of key and sentence, no values."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{key}: {sentence}" for key, sentence in problems))
        self.problems = problems


class ListenOptions(Options):
    host: str = "0.0.0.0"  # noqa: S104  # a gateway is asked from outside
    port: Port = 8080
    max_connections: int = Field(default=4096, ge=1, le=1_000_000)
    max_connections_per_address: int = Field(default=256, ge=1, le=1_000_000)


class AdminOptions(Options):
    host: str = "127.0.0.1"
    port: Port = 9090


class AuditOptions(Options):
    address: Literal["full", "prefix", "off"] = "full"


class LogOptions(Options):
    format: Literal["auto", "json", "console"] = "auto"
    level: Literal["debug", "info", "warning", "error"] = "info"


class ClientOptions(Options):
    """One frontend. Its key is known by its SHA-256 (`headgate hash-key`), or comes from a file."""

    id: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    kind: Literal["browser", "server"] = "browser"
    api_key: SecretStr | None = None
    api_key_sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    origins: tuple[str, ...] = ()

    @field_validator("origins")
    @classmethod
    def _are_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            parts = split(origin)
            if (
                parts.scheme not in ("http", "https")
                or not parts.netloc
                or f"{parts.scheme}://{parts.netloc}" != origin
            ):
                raise ValueError("an origin is https://host, without a path")
        return origins

    @field_validator("api_key")
    @classmethod
    def _is_no_empty_one(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and not key.get_secret_value():
            raise ValueError("is empty")
        return key

    @model_validator(mode="after")
    def _has_one_key(self) -> Self:
        if (self.api_key is None) == (self.api_key_sha256 is None):
            raise ValueError("exactly one of api_key_sha256 and api_key_file")
        return self

    def digest(self) -> bytes:
        """SHA-256 of the apiKey."""
        if self.api_key is not None:
            return sha256(self.api_key.get_secret_value().encode()).digest()
        return bytes.fromhex(self.api_key_sha256 or "")

    def client(self) -> Client:
        return Client(id=self.id, kind=self.kind, origins=frozenset(self.origins))


class HeadlessOptions(Options):
    enabled: bool = True
    clients: tuple[ClientOptions, ...] = ()


class Settings(Options):
    """`config/gateway.yaml` holds every key with its default; see there."""

    listen: ListenOptions = ListenOptions()
    admin: AdminOptions = AdminOptions()
    public_url: str | None = None
    trusted_proxies: tuple[NamedNetwork, ...] = ()
    forwarding_header: Literal["x-forwarded-for", "forwarded"] = "x-forwarded-for"
    keys: SecretStr | None = None
    index_key: SecretStr | None = None
    headless: HeadlessOptions = HeadlessOptions()
    drupal: DrupalOptions = SessionOptions()
    method: str = "EMAIL"
    fallback: dict[str, str] = Field(default={})
    code: CodeOptions = CodeOptions()
    totp: TotpOptions = TotpOptions()
    store: StoreOptions = MemoryOptions()
    channels: ChannelsOptions = ChannelsOptions()
    numbers: NumberOptions = NumberOptions()
    texts: TextOptions = TextOptions()
    courier: CourierOptions = CourierOptions()
    flood: FloodOptions = FloodOptions()
    policy: PolicyOptions = PolicyOptions()
    audit: AuditOptions = AuditOptions()
    webhook: EventWebhookOptions | None = None
    log: LogOptions = LogOptions()
    drain_seconds: float = Field(default=0, ge=0, le=600)
    shutdown_seconds: float = Field(default=30, gt=0, le=600)

    @field_validator("public_url")
    @classmethod
    def _is_an_address(cls, url: str | None) -> str | None:
        return http_address(url)

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _from_words(cls, given: object) -> object:
        return given.replace(",", " ").split() if isinstance(given, str) else given

    @field_validator("keys", mode="before")
    @classmethod
    def _keys_in_one(cls, given: object) -> object:
        """A list in the file, lines or words in the environment and in a secret file."""
        return (" ".join(str(key) for key in given) if isinstance(given, list) else given) or None

    @field_validator("keys")
    @classmethod
    def _are_keys(cls, keys: SecretStr | None) -> SecretStr | None:
        if keys:
            ids = [SealKey.parse(key).id for key in keys.get_secret_value().split()]
            if len(set(ids)) != len(ids):
                raise ValueError("two keys have the same id")
        return keys

    @field_validator("index_key", mode="before")
    @classmethod
    def _or_none(cls, given: object) -> object:
        return given or None

    @field_validator("index_key")
    @classmethod
    def _is_a_secret(cls, key: SecretStr | None) -> SecretStr | None:
        if key:
            parse_secret(key.get_secret_value())
        return key

    def sealer(self) -> Sealer:
        """The configured keys; made here when there are none, which only a store that dies with us may use."""
        keys = [SealKey.parse(key) for key in self.keys.get_secret_value().split()] if self.keys else []
        index = parse_secret(self.index_key.get_secret_value()) if self.index_key else os.urandom(32)
        return Sealer(keys or [SealKey.parse("made:" + b64encode(os.urandom(32)).decode())], index)

    def seen_drupal(self) -> DrupalOptions:
        """Drupal's options with the address that visitors use for it; the gateway's own unless another is given."""
        return self.drupal.model_copy(update={"public_url": self.drupal.public_url or self.public_url})

    def conflicts(self) -> list[tuple[str, str]]:
        """What no single key can know."""
        problems: list[tuple[str, str]] = []
        clients = self.headless.clients
        if self.headless.enabled and not clients:
            problems.append(("headless.clients", "at least one client is needed, or HEADGATE_API_KEY"))
        if len({client.id for client in clients}) != len(clients):
            problems.append(("headless.clients", "two clients have the same id"))
        if len({client.digest() for client in clients}) != len(clients):
            problems.append(("headless.clients", "two clients have the same apiKey"))
        if any(client.kind == "server" for client in clients) and not self.trusted_proxies:
            problems.append(("trusted_proxies", "a client of kind server forwards addresses: its own must stand here"))
        if isinstance(self.store, RedisOptions):
            missing = [key for key in ("keys", "index_key") if getattr(self, key) is None]
            problems += [(key, "needed with redis; `headgate new-key` makes one") for key in missing]
        problems += [*self._conflicts_of_methods(), *self.policy.conflicts()]
        problems += fallback_problems(self.fallback, channels=configured(self.channels).keys())
        return problems

    def _conflicts_of_methods(self) -> list[tuple[str, str]]:
        there = {method for method, needed in METHODS.items() if set(needed) <= configured(self.channels).keys()}
        if self.totp.enabled:
            there |= set(ENROLLED)
        named = {"policy.methods": self.policy.methods, "policy.by_role": self.policy.methods_by_role()}
        problems = [
            (key, "its channel, or totp.enabled, is not configured")
            for key, methods in named.items()
            if set(methods) - there
        ]
        if self.method == USER_CHOICE:
            if not self.policy.methods:
                problems.append(("policy.methods", f"needed with `method: {USER_CHOICE}`: what may be chosen from"))
        elif self.method not in METHODS:
            problems.append(("method", f"must be one of {', '.join(METHODS)}, or {USER_CHOICE}"))
        elif self.method not in there:
            problems.append(("method", "its channel is not configured"))
        elif self.policy.methods and self.method not in self.policy.methods:
            problems.append(("method", "is not one of policy.methods"))
        return problems


def configured(channels: ChannelsOptions) -> dict[str, ChannelOptions]:
    """The channels that are there, by name."""
    return {name: options for name in ChannelsOptions.model_fields if (options := getattr(channels, name)) is not None}


def load(path: Path | None, environ: Mapping[str, str], *, only: frozenset[str] | None = None) -> Settings:
    """Read the file, put the environment over it, check everything. Raises ConfigurationError with all problems.

    With *only*, what is wrong elsewhere than in these outermost keys stays at its default.
    """
    given, unread = from_file(path) if path else ({}, [])
    problems = [*unread]
    over = from_environment(environ, problems)
    for tree in (given, over):
        infer_kinds(tree)
    merge(given, over)
    settings = validated(given, problems)
    told = {part_of(key) for key, _ in problems}
    # What is wrong by itself is not also told for what else that breaks.
    problems += [(key, why) for key, why in settings.conflicts() if part_of(key) not in told]
    if only is not None:
        problems = unread + [(key, why) for key, why in problems if part_of(key) in only]
    if problems:
        raise ConfigurationError(problems)
    return settings


def part_of(key: str) -> str:
    """The outermost key that *key*, or a variable, stands in."""
    return re.split(r"\.|__", key.removeprefix(PREFIX).lower())[0].removesuffix("_file")


def validated(given: dict[str, object], problems: list[tuple[str, str]]) -> Settings:
    """The settings; where something is wrong, *problems* grows and the rest is read with defaults instead."""
    for _ in range(MOST_ROUNDS):
        try:
            return Settings.model_validate(given)
        except ValidationError as error:
            for item in error.errors():
                told = problem(item["loc"], item["type"], item["msg"], item["input"])
                if told not in problems:
                    problems.append(told)
                remove(given, without_kinds(item["loc"]))
    return Settings()


def problem(loc: tuple[int | str, ...], kind: str, message: str, given: object) -> tuple[str, str]:
    """Key and sentence of one thing that is wrong; what was given is looked at, never shown."""
    key = ".".join(str(part) for part in without_kinds(loc)) or "configuration"
    if isinstance(given, Problem):
        return f"{key}_file", given.sentence
    if kind == "extra_forbidden":
        return key, "unknown key"
    if kind == "union_tag_invalid":
        # pydantic's own sentence would show it.
        return f"{key}.kind", "is not a kind that there is"
    return key, message.removeprefix("Value error, ")


def without_kinds(loc: Sequence[int | str]) -> list[int | str]:
    """A place by the keys that lead to it. No outermost key is a kind, even though `webhook` is both."""
    return [*loc[:1], *(part for part in loc[1:] if part not in KINDS)]


def remove(given: dict[str, object], loc: Sequence[int | str]) -> None:
    """Take the innermost mapping entry at *loc* away, by its key or the file's.

    A faulty list goes as a whole, and so does a mapping in which something is missing.
    """
    path: list[tuple[dict[str, object], str]] = []
    node: object = given
    for part in loc:
        if not isinstance(node, dict):
            break
        path.append((node, str(part)))
        node = node.get(str(part))
    for holder, name in reversed(path):
        names = {name, f"{name}_file"} & holder.keys()
        for known in names:
            del holder[known]
        if names:
            return


def from_file(path: Path) -> tuple[dict[str, object], list[tuple[str, str]]]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        return {}, [(str(path), f"can't be read ({error.strerror})")]
    # ValueError for what is no UTF-8, and for 2026-13-45.
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        return {}, [(str(path), f"is not YAML (line {mark.line + 1})" if mark else "is not YAML")]
    if document is None:
        return {}, []
    return (document, []) if isinstance(document, dict) else ({}, [(str(path), "must be a mapping")])


def from_environment(environ: Mapping[str, str], problems: list[tuple[str, str]]) -> dict[str, object]:
    """`HEADGATE_DRUPAL__URL` is drupal.url; lists and mappings are written as YAML."""
    tree: dict[str, object] = {}
    # Sorted, so that HEADGATE_STORE is there before HEADGATE_STORE__URL and can't take it away again.
    for name, text in sorted(environ.items()):
        if not name.startswith(PREFIX) or name.removeprefix(PREFIX) in NOT_KEYS:
            continue
        *folders, last = name.removeprefix(PREFIX).lower().split("__")
        node = tree
        for folder in folders:
            child = node.setdefault(folder, {})
            node = child if isinstance(child, dict) else {}
        try:
            node[last] = value_of(text)
        except (yaml.YAMLError, ValueError):
            problems.append((name, "is neither text nor a list or mapping in YAML"))
    key = {
        word: environ[PREFIX + word.upper()] for word in ("api_key", "api_key_file") if PREFIX + word.upper() in environ
    }
    headless = tree.setdefault("headless", {}) if key else None
    if isinstance(headless, dict):
        headless["clients"] = [{"id": "default", **key}]
    return tree


def value_of(text: str) -> object:
    """What a variable says. Raises YAMLError, ValueError."""
    if text.startswith(("[", "{")):
        return yaml.safe_load(text)
    return None if text in ("", "null") else text


def merge(onto: dict[str, object], other: Mapping[str, object]) -> None:
    for key, value in other.items():
        mine = onto.get(key)
        if isinstance(mine, dict) and isinstance(value, dict):
            merge(mine, value)
        else:
            onto[key] = value


def infer_kinds(given: dict[str, object]) -> None:
    """The address of a Redis says what it is."""
    store = given.get("store")
    if isinstance(store, dict) and "kind" not in store and ("url" in store or "url_file" in store):
        store["kind"] = "redis"
