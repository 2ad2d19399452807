"""How long stores keep what nobody ends."""

from typing import Final

# A closed transaction still tells a late second answer, a resend or a status what became of it.
TOMBSTONE_SECONDS: Final = 180

# Drupal's own lifetime of a session cookie (session.storage.options, gc_maxlifetime and cookie_lifetime).
PARKED_SECONDS: Final = 2_000_000
