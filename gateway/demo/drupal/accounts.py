"""The accounts of the simulated Drupal, and how its database compares names and passwords."""

import hmac
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TypedDict, Unpack
from uuid import uuid4

ADMINISTRATOR = "administrator"
BCRYPT_BYTES = 72
PASSWORD_MAX_BYTES = 512
# Letters that utf8mb4_general_ci folds, although Unicode does not decompose them.
FOLDED = {"ß": "S", "ı": "I", "ſ": "S"}


@dataclass(frozen=True, kw_only=True)
class User:
    """An account. *mail* and *phone* may hold anything that a site could have stored."""

    uid: int
    name: str
    password: str = field(repr=False)
    mail: str | None = None
    phone: str | None = None
    roles: tuple[str, ...] = ()
    preferred_langcode: str = "en"
    active: bool = True
    uuid: str = field(default_factory=lambda: str(uuid4()))
    created: float = 1_790_000_000.0
    last_login: float = 0.0

    @property
    def is_administrator(self) -> bool:
        """Whether the account may do everything, as uid 1 always may."""
        return self.uid == 1 or ADMINISTRATOR in self.roles

    def accepts(self, password: str) -> bool:
        """Whether *password* is the account's, compared as bcrypt does.

        Measured, Drupal 10.6 and 11.4: a password is cut at a NUL and at 72 bytes;
        one over 512 bytes always fails.
        """
        typed = password.encode()
        if not typed or len(typed) > PASSWORD_MAX_BYTES:
            return False
        return hmac.compare_digest(_bcrypt_input(typed), _bcrypt_input(self.password.encode()))


class Changes(TypedDict, total=False):
    """The fields of an account that can change."""

    password: str
    mail: str | None
    phone: str | None
    roles: tuple[str, ...]
    preferred_langcode: str
    active: bool
    last_login: float


class Accounts:
    """Finds accounts by uid and by name, as Drupal's database does."""

    def __init__(self, users: Iterable[User]) -> None:
        self._by_uid: dict[int, User] = {}
        self._by_name: dict[str, list[int]] = {}
        for user in users:
            self.add(user)

    def __iter__(self) -> Iterator[User]:
        """Go through the accounts in the order in which they were added."""
        return iter(self._by_uid.values())

    def add(self, user: User) -> User:
        """Add *user*. Raises ValueError for a uid that is taken."""
        if user.uid in self._by_uid:
            raise ValueError(f"uid {user.uid} is taken")
        self._by_uid[user.uid] = user
        self._by_name.setdefault(fold(user.name), []).append(user.uid)
        return user

    def get(self, uid: int) -> User | None:
        return self._by_uid.get(uid)

    def change(self, uid: int, **changes: Unpack[Changes]) -> User:
        """Store the account with *changes*. Raises KeyError for an unknown uid."""
        self._by_uid[uid] = replace(self._by_uid[uid], **changes)
        return self._by_uid[uid]

    def named(self, names: Iterable[str], *, active: bool) -> User | None:
        """Return the account with the lowest uid that one of *names* matches.

        Measured, Drupal 11.4: `{"name": ["alice", "bob"]}` finds alice in either order.
        """
        matching = (user for name in names for user in self.all_named(name) if user.active is active)
        return min(matching, key=lambda user: user.uid, default=None)

    def all_named(self, name: str) -> list[User]:
        """Return every account whose name equals *name* for the database."""
        return [self._by_uid[uid] for uid in self._by_name.get(fold(name), ())]


@lru_cache(maxsize=4096)
def fold(name: str) -> str:
    """Return *name* as utf8mb4_general_ci compares it.

    Measured, Drupal 10.6 and 11.4 on MariaDB: case, accents and trailing spaces do
    not count; leading spaces, tabs and combining marks (NFD) do.
    """
    return "".join(weight(char) for char in name).rstrip(" ")


def weight(char: str) -> str:
    """Return what the database compares in place of *char*: its base letter, in capitals."""
    if char > "\uffff":
        return "\ufffd"
    decomposed = unicodedata.normalize("NFD", char)
    base = decomposed[0]
    if not all(map(unicodedata.combining, decomposed[1:])):
        return char
    upper = FOLDED.get(base, base.upper())
    return upper if len(upper) == 1 else base


def _bcrypt_input(password: bytes) -> bytes:
    return password.split(b"\0", 1)[0][:BCRYPT_BYTES]


def example_users() -> tuple[User, ...]:
    """Return the accounts of the measured sites: names, passwords, addresses and numbers."""
    return (
        User(uid=1, name="admin", password="admin-pass-1", mail="admin@example.test", roles=(ADMINISTRATOR,)),  # noqa: S106
        User(uid=2, name="alice", password="alice-pass-1", mail="alice@example.test", phone="+15550100001"),  # noqa: S106
        User(uid=3, name="bob", password="bob-pass-1", mail="bob@example.test", phone="+15550100002"),  # noqa: S106
        User(uid=4, name="carol", password="carol-pass-1", mail="carol@example.test", active=False),  # noqa: S106
        User(uid=5, name="dave", password="dave-pass-1", mail="dave@example.test"),  # noqa: S106
        User(uid=6, name="Ünïcode Üser", password="pässwörd-✓-1", mail="unicode@example.test"),  # noqa: S106
        User(uid=7, name="user.with@mail.example", password="mail-pass-1", mail="mailname@example.test"),  # noqa: S106
        User(uid=8, name="name with spaces", password="spaces pass 1", mail="spaces@example.test"),  # noqa: S106
        User(uid=9, name="quoter", password="a\"b'c\\d🔑<e>&%00;", mail="quoter@example.test"),  # noqa: S106
        User(uid=10, name="longpass", password="0123456789" * 20, mail="longpass@example.test"),
        User(uid=11, name="longpass512", password=("0123456789" * 52)[:512], mail="longpass512@example.test"),
    )
