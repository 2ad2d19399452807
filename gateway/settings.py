"""The whole configuration as one frozen tree, and the problems between its keys.

Each part owns its options and checks them itself. gateway/configuration.py reads the tree from a file and from
environment variables; config/gateway.yaml lists every key with its default.
"""

import os
from base64 import b64encode
from hashlib import sha256
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from gateway.account import Client
from gateway.auth_types import ENROLLED, METHODS
from gateway.delivery.channels import ChannelOptions, ChannelsOptions
from gateway.delivery.courier import CourierOptions
from gateway.delivery.numbers import NumberOptions
from gateway.drupal import DrupalOptions, ProxyOptions, SessionOptions
from gateway.factors import CodeOptions, TotpOptions
from gateway.flood.limits import FloodOptions
from gateway.login.methods import fallback_problems
from gateway.networks import Network
from gateway.options import NamedNetwork, Options, http_address, is_plain_http_to_another_host, split_url
from gateway.policy.options import PolicyOptions
from gateway.sealing import Sealer, SealKey, parse_secret
from gateway.store import MemoryOptions, StoreOptions
from gateway.telemetry.event_webhook import EventWebhookOptions
from gateway.texts.messages import TextOptions
from gateway.transaction import GUARD
from gateway.web.headless.clients import origin_of
from gateway.web.headless.relay import How
from gateway.web.site.options import GuardOptions

Port = Annotated[int, Field(ge=0, le=65535)]
EVERY_ADDRESS = {"", "0.0.0.0", "::"}  # noqa: S104  # what a listener is compared with
# `method: user choice`: the client chooses one of policy.methods; by default, the first that reaches the account.
USER_CHOICE = "user choice"


# A server's apiKey lets it speak for its visitors, so nobody may guess it. `headgate new-key api` makes 43 characters.
SHORTEST_API_KEY = 16
SHORT_API_KEY = f"has fewer than {SHORTEST_API_KEY} characters; `headgate new-key api` makes one"


class ListenOptions(Options):
    host: str = "0.0.0.0"  # noqa: S104  # clients come from other machines
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
    """One frontend. Its apiKey is given as a SHA-256 (`headgate hash-key`) or in a file."""

    id: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    kind: Literal["browser", "server"] = "browser"
    api_key: SecretStr | None = None
    api_key_sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    origins: tuple[str, ...] = ()
    cookies: Literal["sealed", "plain"] = "sealed"

    @field_validator("id")
    @classmethod
    def _is_not_the_guards(cls, id: str) -> str:
        if id == GUARD:
            raise ValueError("is the id of logins on Drupal's own pages; choose another one")
        return id

    @field_validator("origins")
    @classmethod
    def _are_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            parts = split_url(origin)
            if (
                parts.scheme not in ("http", "https")
                or not parts.netloc
                or f"{parts.scheme}://{parts.netloc}" != origin
            ):
                raise ValueError("an origin is https://host, without a path")
        return origins

    @field_validator("api_key")
    @classmethod
    def _is_not_empty(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and not key.get_secret_value():
            raise ValueError("is empty")
        return key

    @model_validator(mode="after")
    def _has_one_key(self) -> Self:
        if (self.api_key is None) == (self.api_key_sha256 is None):
            raise ValueError("exactly one of api_key_sha256 and api_key_file")
        return self

    @model_validator(mode="after")
    def _only_servers_have_plain_cookies(self) -> Self:
        if self.cookies == "plain" and self.kind != "server":
            raise ValueError(
                "`cookies: plain` is for `kind: server`: a browser would send Drupal's cookie to the guard"
            )
        return self

    @property
    def has_short_key(self) -> bool:
        return self.api_key is not None and len(self.api_key.get_secret_value()) < SHORTEST_API_KEY

    def risks(self) -> list[tuple[str, str]]:
        return [("api_key", SHORT_API_KEY)] if self.has_short_key else []

    def digest(self) -> bytes:
        """Return the SHA-256 of the apiKey."""
        if self.api_key is not None:
            return sha256(self.api_key.get_secret_value().encode()).digest()
        return bytes.fromhex(self.api_key_sha256 or "")

    def client(self) -> Client:
        return Client(
            id=self.id, kind=self.kind, origins=frozenset(self.origins), plain_cookies=self.cookies == "plain"
        )


class HeadlessOptions(Options):
    enabled: bool = True
    clients: tuple[ClientOptions, ...] = ()


class RelayOptions(Options):
    """With which attributes Drupal's session cookie is handed to browsers."""

    cookies: How = "keep"


class Settings(Options):
    """The whole tree; config/gateway.yaml says what each key means."""

    listen: ListenOptions = ListenOptions()
    admin: AdminOptions = AdminOptions()
    public_url: str | None = None
    trusted_proxies: tuple[NamedNetwork, ...] = ()
    forwarding_header: Literal["x-forwarded-for", "forwarded"] = "x-forwarded-for"
    keys: SecretStr | None = None
    index_key: SecretStr | None = None
    headless: HeadlessOptions = HeadlessOptions()
    drupal: DrupalOptions = SessionOptions()
    proxy: ProxyOptions = ProxyOptions()
    guard: GuardOptions = GuardOptions()
    relay: RelayOptions = RelayOptions()
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
        address = http_address(url)
        if address and split_url(address).path:
            raise ValueError("must be without a path: the gateway answers /headless at the root of a host")
        return address

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _split_words(cls, given: object) -> object:
        return given.replace(",", " ").split() if isinstance(given, str) else given

    @field_validator("trusted_proxies")
    @classmethod
    def _is_not_everybody(cls, networks: tuple[Network, ...]) -> tuple[Network, ...]:
        if any(network.prefixlen == 0 for network in networks):
            raise ValueError("must not hold every address: each visitor could then claim any address")
        return networks

    @field_validator("keys", mode="before")
    @classmethod
    def _join_keys(cls, given: object) -> object:
        """Accept a list in the file, and words or lines in the environment and in a secret file."""
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
    def _empty_is_none(cls, given: object) -> object:
        return given or None

    @field_validator("index_key")
    @classmethod
    def _is_a_secret(cls, key: SecretStr | None) -> SecretStr | None:
        if key:
            parse_secret(key.get_secret_value())
        return key

    def sealer(self) -> Sealer:
        """Return a sealer with the configured keys.

        If none are configured, it has new ones, which only the memory store may use.
        """
        keys = [SealKey.parse(key) for key in self.keys.get_secret_value().split()] if self.keys else []
        index = parse_secret(self.index_key.get_secret_value()) if self.index_key else os.urandom(32)
        return Sealer(keys or [SealKey.parse("made:" + b64encode(os.urandom(32)).decode())], index)

    @property
    def guards(self) -> bool:
        """Whether sessions of Drupal's travel only under our seal."""
        return self.proxy.enabled and self.guard.mode == "enforce"

    @property
    def site_origin(self) -> str:
        """The origin of the site, as browsers name it."""
        return origin_of(self.drupal.public_url or self.public_url or self.drupal.url)

    def drupal_with_public_url(self) -> DrupalOptions:
        """Return Drupal's options; without a `public_url` of its own, Drupal has the gateway's."""
        return self.drupal.model_copy(update={"public_url": self.drupal.public_url or self.public_url})

    def risks(self) -> list[tuple[str, str]]:
        """Return what is risky about the way by which visitors reach the gateway, as pairs of key and sentence."""
        return [*self._risks_of_the_address(), *(self.guard.risks_in_front() if self.proxy.enabled else [])]

    def _risks_of_the_address(self) -> list[tuple[str, str]]:
        if self.public_url is not None:
            http = "is http: others in the network can read passwords, codes and sessions"
            return [("public_url", http)] if is_plain_http_to_another_host(self.public_url) else []
        if self.headless.enabled and any(client.kind == "browser" for client in self.headless.clients):
            return [("public_url", "is not set: any host name counts as the gateway's own (DNS rebinding)")]
        return []

    def conflicts(self) -> list[tuple[str, str]]:
        """Return the problems between keys, as pairs of key and sentence."""
        problems = [*self._conflicts_of_listeners(), *self._conflicts_of_clients(), *self._missing_keys()]
        problems += self._conflicts_of_relay()
        problems += [*self._conflicts_of_methods(), *self.policy.conflicts(), *self._conflicts_of_proxy()]
        problems += fallback_problems(self.fallback, channels=configured(self.channels).keys())
        return problems

    def _conflicts_of_listeners(self) -> list[tuple[str, str]]:
        """Two listeners can't have one port, unless each has an address of its own. Port 0 chooses a free one."""
        hosts = {self.listen.host, self.admin.host}
        if self.admin.port != self.listen.port or not self.admin.port or (len(hosts) > 1 and not hosts & EVERY_ADDRESS):
            return []
        return [("admin.port", "is listen.port, too; give each listener a port of its own")]

    def _conflicts_of_clients(self) -> list[tuple[str, str]]:
        problems: list[tuple[str, str]] = []
        clients = self.headless.clients
        if self.headless.enabled and not clients:
            problems.append(("headless.clients", "at least one client is needed, or HEADGATE_API_KEY"))
        if len({client.id for client in clients}) != len(clients):
            problems.append(("headless.clients", "two clients have the same id"))
        if len({client.digest() for client in clients}) != len(clients):
            problems.append(("headless.clients", "two clients have the same apiKey"))
        if any(client.kind == "server" for client in clients) and not self.trusted_proxies:
            problem = "must name the address of each client of kind server, which forwards its visitors' addresses"
            problems.append(("trusted_proxies", problem))
        return problems

    def _conflicts_of_proxy(self) -> list[tuple[str, str]]:
        """Paths are passed on as they are, and Drupal builds its links from the visitors' host name."""
        if not self.proxy.enabled:
            return []
        problems: list[tuple[str, str]] = []
        if not self.public_url and not self.drupal.public_url:
            problems.append(("public_url", "needed with proxy.enabled: the address of the site that visitors use"))
        keys = {"drupal.url": self.drupal.url, "drupal.public_url": self.drupal.public_url or ""}
        path = "must be without a path with proxy.enabled: the proxy passes paths on as they are"
        return problems + [(key, path) for key, url in keys.items() if split_url(url).path]

    def _conflicts_of_relay(self) -> list[tuple[str, str]]:
        """Browsers accept a cookie for other sites only over TLS, or from their own machine."""
        if self.relay.cookies != "cross-site" or self.site_origin.startswith(("https://", "http://localhost")):
            return []
        return [("relay.cookies", "cross-site needs a public_url of https: browsers accept no other cookie")]

    def _missing_keys(self) -> list[tuple[str, str]]:
        """A store, or a cookie, that outlives the process needs keys that do so, too."""
        missing = [name for name in ("keys", "index_key") if getattr(self, name) is None]
        if self.store.durable:
            return [(name, f"needed with {self.store.kind}; `headgate new-key` makes one") for name in missing]
        if self.guards:
            # Keys that are made at start would log everybody out at the next one.
            return [(name, "needed with proxy.enabled; `headgate new-key` makes one") for name in missing]
        return []

    def _conflicts_of_methods(self) -> list[tuple[str, str]]:
        available = self._available_methods()
        offered = {"policy.methods": self.policy.methods, "policy.by_role": self.policy.methods_by_role()}
        problems = [
            (key, "its channel, or totp.enabled, is not configured")
            for key, methods in offered.items()
            if set(methods) - available
        ]
        if self.method == USER_CHOICE:
            if not self.policy.methods:
                problems.append(("policy.methods", f"needed with `method: {USER_CHOICE}`: the methods to choose from"))
        elif self.method not in METHODS:
            problems.append(("method", f"must be one of {', '.join(METHODS)}, or {USER_CHOICE}"))
        elif self.method not in available:
            problems.append(("method", "its channel is not configured"))
        elif self.policy.methods and self.method not in self.policy.methods:
            problems.append(("method", "is not one of policy.methods"))
        return problems

    def _available_methods(self) -> set[str]:
        """Return the methods that the channels and `totp.enabled` make possible."""
        channels = configured(self.channels).keys()
        by_channel = {method for method, needed in METHODS.items() if set(needed) <= channels}
        return by_channel | set(ENROLLED) if self.totp.enabled else by_channel


def configured(channels: ChannelsOptions) -> dict[str, ChannelOptions]:
    """Return the channels that are configured, by name."""
    return {name: options for name in ChannelsOptions.model_fields if (options := getattr(channels, name)) is not None}
