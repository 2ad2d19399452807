"""The state of the simulated Drupal: its options, accounts, sessions and flood rows, and the switches of a test.

Nothing here knows HTTP.
"""

import asyncio
import base64
import hmac
import secrets
import time
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal
from uuid import uuid4

from gateway.demo.drupal.accounts import Accounts, Changes, User, example_users
from gateway.demo.drupal.faults import Fault, Gate
from gateway.demo.drupal.ledger import Ending, Ledger, Session, session_id
from gateway.demo.drupal.origin import Origin
from gateway.demo.drupal.tokens import OAuthClient, Tokens

Version = Literal["10.5", "10", "11"]
Module = Literal[
    "jsonapi",
    "rest",
    "user_registration",
    "basic_auth",
    "language",
    "simple_oauth",
    "node",
    "views",
    "comment",
    "search",
    "contact",
    "history",
    "menu_ui",
    "big_pipe",
    "cart",
]
Register = Literal["admin_only", "visitors", "visitors_admin_approval"]


@dataclass(frozen=True, kw_only=True)
class Times:
    """How long a login or log-out takes, in seconds. Measured, Drupal 11.4: right 0.283, wrong 0.313, unknown 0.023."""

    right: float = 0.0
    wrong: float = 0.0
    unknown: float = 0.0
    blocked: float = 0.0
    logout: float = 0.0


def example_files() -> dict[str, bytes]:
    """Return the files of a small site."""
    return {
        "/robots.txt": b"User-agent: *\nDisallow: /admin/\n",
        "/core/misc/drupal.js": b"window.Drupal = { behaviors: {} };\n" * 200,
        "/sites/default/files/example.png": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4,
    }


@dataclass(frozen=True, kw_only=True)
class DrupalOptions:
    """How the site is set up. The defaults are a stock Drupal's: no jsonapi, no rest, no reverse proxy."""

    version: Version = "11"
    name: str = "Example"
    users: tuple[User, ...] = field(default_factory=example_users)
    modules: frozenset[Module] = frozenset()
    # $settings['reverse_proxy_addresses'] as addresses or networks; empty means reverse_proxy off.
    reverse_proxy_addresses: tuple[str, ...] = ()
    # $settings['trusted_host_patterns'] as regular expressions; empty means that any Host is accepted.
    trusted_hosts: tuple[str, ...] = ()
    # Path prefixes that mean the same page in another language.
    languages: tuple[str, ...] = ("de",)
    # Aliases, and the path that each one stands for.
    aliases: Mapping[str, str] = field(default_factory=dict)
    # system.site: the internal paths of the front page and of the pages for 403 and 404; empty means core's own.
    front: str = ""
    page_403: str = ""
    page_404: str = ""
    # Whether every page has the login block.
    login_block: bool = False
    # user.settings: who may register, and whether a mail has to be verified before.
    register: Register = "visitors_admin_approval"
    verify_mail: bool = True
    # jsonapi.settings, and the types of nodes.
    json_api_read_only: bool = True
    content_types: tuple[str, ...] = ("article", "page")
    # The nodes that the site starts with, from 1 on; uid 2 is their author.
    node_titles: tuple[str, ...] = ("Welcome",)
    # Whether nginx passes update.php and the scripts below /core on to PHP.
    scripts: bool = True
    # Files of the site's folder that nginx serves itself, by path.
    files: Mapping[str, bytes] = field(default_factory=example_files)
    # system.performance: for how long a page cache may keep pages of anonymous users.
    page_max_age_seconds: int = 0
    # The key of /cron/….
    cron_key: str = "cron-key"
    # How long BigPipe waits before each of its pieces.
    big_pipe_seconds: float = 0.0
    # $settings of the session cookie.
    cookie_domain: str = ""
    name_suffix: str = ""
    # The consumer of simple_oauth.
    oauth_client: OAuthClient = field(default_factory=OAuthClient)
    # The user.flood configuration.
    uid_only: bool = False
    user_limit: int = 5
    user_window_seconds: int = 21_600
    ip_limit: int = 50
    ip_window_seconds: int = 3_600
    # The permission "access user profiles" for everybody who is logged in.
    profiles_visible: bool = False
    # Whether accounts see their own roles, which core shows to administrators only.
    roles_visible: bool = False
    # The machine name of the phone field, or None for a site without one.
    phone_field: str | None = "field_phone"
    # HTML that a block puts above the content of every page.
    block: str = ""
    # Whether every session id contains a comma, which is sent as %2C.
    commas: bool = False
    times: Times = field(default_factory=Times)
    # How many logins are computed at once; the others wait.
    processors: int = 1000
    now: Callable[[], float] = time.time
    # Off for load tests, where a list of every call would only grow.
    record_calls: bool = True

    @property
    def major(self) -> Literal["10", "11"]:
        """The major version."""
        return "11" if self.version == "11" else "10"


@dataclass(kw_only=True)
class Call:
    """One request as it arrived; *address* is the one that Drupal believes the client has.

    Drupal adds the account for which it acted, however that authenticated, and the
    live session that the request carried.
    """

    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    address: str
    had_cookie: bool
    acted_uid: int | None = None
    carried: Session | None = None


@dataclass(kw_only=True)
class Node:
    """A page of the site. *uid* is its author."""

    nid: int
    uid: int
    title: str
    body: str
    type: str = "article"
    uuid: str = field(default_factory=lambda: str(uuid4()))
    comments: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class SessionRoute:
    """A route of a custom module that opens a session: for *uid*, or an anonymous one for 0."""

    uid: int
    status: int = 200


class FloodTable:
    """Drupal's flood rows, by event and identifier.

    Measured, Drupal 11.4: a row counts until it is as old as its window.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._rows: dict[tuple[str, str], list[float]] = {}

    def is_allowed(self, event: str, identifier: str, *, limit: int, window: int) -> bool:
        """Whether fewer than *limit* rows are younger than *window* seconds."""
        rows = self._rows.get((event, identifier), [])
        return len(rows) - bisect_right(rows, self._now() - window) < limit

    def register(self, event: str, identifier: str) -> None:
        self._rows.setdefault((event, identifier), []).append(self._now())

    def clear(self, event: str, identifier: str) -> None:
        self._rows.pop((event, identifier), None)

    def rows(self, event: str) -> dict[str, int]:
        """Return how many rows *event* has, by identifier."""
        return {identifier: len(rows) for (name, identifier), rows in self._rows.items() if name == event}

    def empty(self) -> None:
        self._rows.clear()


class Site:
    """Everything that the simulated Drupal remembers, and switches that a test can set at any time."""

    def __init__(self, options: DrupalOptions) -> None:
        self.options = options
        self.reset()

    def reset(self) -> None:
        """Forget everything that happened; the accounts are those of the options."""
        options = self.options
        self.accounts = Accounts(options.users)
        self.ledger = Ledger()
        self.flood = FloodTable(options.now)
        self.tokens = Tokens(options.now)
        # Every request in order; how many of them asked for a login, and how many got one.
        self.calls: list[Call] = []
        self.login_calls = 0
        self.logins = 0
        # The one-time links that password resets have sent by mail.
        self.reset_links: list[str] = []
        self.maintenance = False
        self.mail_broken = False
        self.fault: Fault | None = None
        self.gate: Gate | None = None
        self.session_routes: dict[str, SessionRoute] = {}
        self.closing = asyncio.Event()
        titles = enumerate(options.node_titles, start=1)
        self.nodes = {nid: Node(nid=nid, uid=2, title=title, body="Once upon a time.") for nid, title in titles}
        # The image styles' derivatives that have been made, and how often cron ran.
        self.derivatives: dict[str, bytes] = {}
        self.cron_runs = 0
        # The addresses of the pages that the page cache has.
        self.cached_pages: set[str] = set()
        self._secret = secrets.token_bytes(32)
        self._processors = asyncio.Semaphore(options.processors)

    def now(self) -> float:
        """Return the site's time in seconds since the epoch."""
        return self.options.now()

    async def work(self, seconds: float) -> None:
        """Use one of the site's processors for *seconds*."""
        async with self._processors:
            await asyncio.sleep(seconds)

    def has(self, *modules: Module) -> bool:
        """Whether any of *modules* is on."""
        return bool(self.options.modules.intersection(modules))

    def add_user(self, user: User) -> User:
        """Add an account. Raises ValueError for a uid that is taken."""
        return self.accounts.add(user)

    def anonymous_token(self) -> str:
        """Return a session token for an anonymous visitor. Without a session, each one is different."""
        return secrets.token_urlsafe(32)

    def called(self, path: str) -> list[Call]:
        """Return the requests to *path*, with any query."""
        return [call for call in self.calls if call.path.partition("?")[0] == path]

    def open_session(self, origin: Origin, uid: int, *, instead_of: Session | None = None) -> Session:
        """Open a session under a fresh id.

        Measured, Drupal 10.6 and 11.4: every login makes a new id, also in place of an anonymous session's.
        """
        if instead_of is not None:
            self.ledger.end(instead_of, Ending.ROTATED, now=self.now())
        return self.ledger.open(
            Session(
                cookie=origin.cookie_name,
                value=session_id(version=self.options.major, comma=self.options.commas),
                uid=uid,
                born=self.now(),
                hostname=origin.address,
                data=dict(instead_of.data) if instead_of else {},
            )
        )

    def log_in(self, origin: Origin, user: User, *, instead_of: Session | None = None) -> Session:
        """Open a session for *user*, and record the time of the login."""
        self.logins += 1
        self.accounts.change(user.uid, last_login=self.now())
        return self.open_session(origin, user.uid, instead_of=instead_of)

    def block(self, uid: int) -> None:
        """Block an account. Measured: on 11.4 this ends its sessions; on 10.6 `unblock` makes them valid again."""
        self._change(uid, Ending.BLOCKED, active=False)

    def unblock(self, uid: int) -> None:
        self.accounts.change(uid, active=True)

    def change_password(self, uid: int, password: str) -> None:
        """Change a password as an administrator does. Measured: this ends the sessions on 11.4, but not on 10.6."""
        self._change(uid, Ending.PASSWORD_CHANGED, password=password)

    def one_time_link(self, uid: int, base_url: str = "", *, at: float | None = None) -> str:
        """Return a link that logs *uid* in, made now or *at* another time."""
        stamp = int(self.now() if at is None else at)
        user = self.accounts.get(uid)
        hashed = self.one_time_hash(user, stamp) if user else ""
        return f"{base_url}/user/reset/{uid}/{stamp}/{hashed}/login"

    def one_time_hash(self, user: User, stamp: int) -> str:
        """Sign what makes a link void: its time, the last login, the mail address, the password."""
        signed = f"{stamp}:{int(user.last_login)}:{user.uid}:{user.mail}"
        digest = hmac.digest(self._secret + user.password.encode(), signed.encode(), "sha256")
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")

    def _change(self, uid: int, how: Ending, *, active: bool | None = None, password: str | None = None) -> None:
        changes: Changes = {}
        if active is not None:
            changes["active"] = active
        if password is not None:
            changes["password"] = password
        self.accounts.change(uid, **changes)
        if self.options.major == "11":
            self.ledger.end_all(uid, how, now=self.now())
