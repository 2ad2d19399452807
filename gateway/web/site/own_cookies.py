"""The gateway's own cookies: the login that waits for its code, what its page says next, and the remembered device.

They are for this host alone and are never sent to Drupal. Scripts can't read them.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Final

from gateway.sealing import Sealer, Unsealable

# A browser keeps 4096 bytes of a cookie. A landing that would make it longer is left out.
_LONGEST_LANDING: Final = 1500
_DAY_SECONDS: Final = 86_400
# A browser follows the redirect at once. After this time nobody needs the note any more.
_NOTE_SECONDS: Final = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class Challenge:
    """A login that waits for its code in this browser. *landing* is the path to show after it."""

    id: str = field(repr=False)
    username: str = field(repr=False)
    auth_type: str
    methods: tuple[str, ...]
    destination: str = field(repr=False)
    landing: str = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Note:
    """What the code page says once, after a redirect: the *word* of an error or of a success.

    *attempts_left* belongs to a wrong code. *until* is when to try again, in seconds since the epoch; 0 for any time.
    """

    word: str
    attempts_left: int = 0
    until: float = 0.0


class OwnCookies:
    """Writes and reads them. At an https *origin* their names begin with `__Host-`, so that no other host can set them
    (RFC 6265bis §4.1.3.2).
    """

    def __init__(self, sealer: Sealer, *, origin: str, device_days: int) -> None:
        self._sealer = sealer
        self._origin = origin
        secure = origin.startswith("https:")
        prefix = "__Host-" if secure else ""
        self._challenge = f"{prefix}headgate-challenge"
        self._note = f"{prefix}headgate-note"
        self._device = f"{prefix}headgate-device"
        self._attributes = "; Path=/; HttpOnly; SameSite=Lax" + ("; Secure" if secure else "")
        self._device_days = device_days

    def challenge_line(self, challenge: Challenge) -> str:
        """Return the Set-Cookie line that makes the browser wait for the code of *challenge*."""
        landing = challenge.landing if len(challenge.landing) <= _LONGEST_LANDING else "/"
        fields = [
            challenge.id,
            challenge.username,
            challenge.auth_type,
            challenge.methods,
            challenge.destination,
            landing,
        ]
        sealed = self._sealer.seal("challenge", self._origin, json.dumps(fields).encode())
        return f"{self._challenge}={urlsafe_b64encode(sealed).rstrip(b'=').decode()}{self._attributes}"

    def challenge_in(self, own: dict[str, str]) -> Challenge | None:
        """Return the challenge among a request's *own* cookies; None if there is none that we sealed."""
        try:
            sealed = urlsafe_b64decode(own.get(self._challenge, "") + "==")
            id, username, auth_type, methods, destination, landing = json.loads(
                self._sealer.open("challenge", self._origin, sealed)
            )
        except (Unsealable, ValueError):
            return None
        return Challenge(
            id=id,
            username=username,
            auth_type=auth_type,
            methods=tuple(methods),
            destination=destination,
            landing=landing,
        )

    def challenge_gone(self) -> str:
        """Return the Set-Cookie line that deletes the challenge."""
        return f"{self._challenge}={self._attributes}; Max-Age=0"

    def form_token(self, challenge: Challenge) -> str:
        """Return what a form on the code page carries, so that no other page can send it for this browser."""
        return self._sealer.index("challenge form", challenge.id)

    def note_line(self, note: Note, *, id: str = "") -> str:
        """Return the Set-Cookie line that has the page of the login *id* say *note* once."""
        fields = json.dumps([note.word, note.attempts_left, note.until]).encode()
        sealed = self._sealer.seal("challenge", self._note_of(id), fields)
        return f"{self._note}={urlsafe_b64encode(sealed).decode()}{self._attributes}; Max-Age={_NOTE_SECONDS}"

    def note_in(self, own: dict[str, str], *, id: str = "") -> Note | None:
        """Return the note for the login *id* among a request's *own* cookies; None if there is none that we sealed."""
        try:
            sealed = urlsafe_b64decode(own.get(self._note, ""))
            word, attempts_left, until = json.loads(self._sealer.open("challenge", self._note_of(id), sealed))
        except (Unsealable, ValueError):
            return None
        return Note(word=word, attempts_left=attempts_left, until=until)

    def note_gone(self) -> str:
        """Return the Set-Cookie line that deletes the note."""
        return f"{self._note}={self._attributes}; Max-Age=0"

    def _note_of(self, id: str) -> str:
        return f"note {self._origin} {id}"

    def device_line(self, token: str) -> str:
        """Return the Set-Cookie line that keeps the *token* of a remembered device."""
        return f"{self._device}={token}{self._attributes}; Max-Age={self._device_days * _DAY_SECONDS}"

    def device_in(self, own: dict[str, str]) -> str | None:
        """Return the token of the remembered device among a request's *own* cookies."""
        token = own.get(self._device)
        return token if token and len(token) <= 128 else None  # noqa: PLR2004  # longer than any token of ours
