"""How long stores keep what was not removed before."""

from typing import Final

# For this long, a second answer, a resend or a status that comes late still finds the closed transaction.
TOMBSTONE_SECONDS: Final = 180

# Drupal's own lifetime of a session cookie (session.storage.options, gc_maxlifetime and cookie_lifetime).
PARKED_SECONDS: Final = 2_000_000
