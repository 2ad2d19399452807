"""Drupal's side of a login, behind `interfaces.Authenticator`.

    authenticate ─▶ describe ─▶ parked while the code is awaited ─▶ hand_over
         │                                  └──────▶ log_out
         └─ given up: the answer is still read, and its session logged out

| file | holds |
|---|---|
| `options` | what every mode is configured with |
| `session` | the mode `session`: Drupal's own login and its cookie |
| `answers` | what an answer to a login means |
| `contacts` | mail address, number, language and roles, read in three ways |
| `logout` | ending a session at Drupal |
| `reading_on` | logins that were given up |
| `reachable` | whether anybody answers at Drupal's address |
| `cookies` | session cookies in answers and in requests |
| `upstream` · `exchange` | the proxy's own way to Drupal, which streams |
| `headers` · `peer` · `connections` · `bulkhead` | the way to Drupal: HTTP, and how much of it may be used at once |

A mode is one file here and one member of the union below.
"""

from typing import TypeAlias

from gateway.drupal.session import SessionOptions
from gateway.drupal.upstream import ProxyOptions

# With a second mode: Annotated[SessionOptions | …, Field(discriminator="kind")]. Pydantic refuses it for a single one.
DrupalOptions: TypeAlias = SessionOptions

__all__ = ["DrupalOptions", "ProxyOptions", "SessionOptions"]
