"""What every Drupal mode is configured with: where Drupal is, how much of it may be used, and what is read there."""

from typing import Final, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from gateway.drupal.reading_on import READ_ON_SECONDS
from gateway.options import Options, http_address

# A call leaves the queue well before its request times out: no password must be sent for a visitor who has left.
_QUEUE_SECONDS: Final = 5
_CONNECT_SECONDS: Final = 5


class SiteOptions(Options):
    url: str = "http://127.0.0.1:8081"
    public_url: str | None = None
    timeout_seconds: float = Field(default=15, gt=0, le=READ_ON_SECONDS)
    max_concurrent: int = Field(default=32, ge=1, le=10_000)
    # Shorter than nginx's 65 s, so that no POST is sent on a connection that nginx has just closed.
    keep_alive_seconds: float = Field(default=30, ge=0)
    # None: what Drupal's core computes, until a login has shown the name.
    cookie_name: str | None = Field(default=None, pattern=r"^S?SESS[0-9a-f]{32}$")
    # Where a module lets users log in with their mail address, Drupal's answer has another name than the request.
    login_by_mail: bool = False
    contacts: Literal["auto", "jsonapi", "rest", "form", "off"] = "auto"
    phone_field: str | None = Field(default=None, pattern=r"^[a-z][a-z0-9_]{0,63}$")
    profile_fields: tuple[str, ...] = ("uid", "uuid", "name", "mail", "roles", "preferred_langcode")

    @field_validator("url", "public_url")
    @classmethod
    def _is_http(cls, url: str | None) -> str | None:
        return http_address(url)

    @property
    def queue_seconds(self) -> float:
        """How long a call may wait for its turn."""
        return min(_QUEUE_SECONDS, self.timeout_seconds / 2)

    @property
    def connect_seconds(self) -> float:
        """How long a connection may take to open."""
        return min(_CONNECT_SECONDS, self.timeout_seconds)

    @property
    def host(self) -> str:
        """The host name that visitors use for Drupal."""
        return urlsplit(self.public_url or self.url).hostname or ""
