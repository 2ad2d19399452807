"""The recorded requests: how each one is filled in and sent, and which site it needs."""

import asyncio
import base64
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from gateway.demo.drupal.accounts import User, example_users
from gateway.demo.drupal.origin import Origin
from gateway.demo.drupal.server import SimulatedDrupal
from gateway.demo.drupal.site import DrupalOptions, Session

GIVEN = Path(__file__).parent / "given.json"
# The Host of the recorded requests, from which Drupal makes the name of its cookie.
HOST = "127.0.0.1:8081"
# How long to wait for an answer, and for more of it on a connection that stays open.
SECONDS, IDLE_SECONDS = 10.0, 0.5
PASSWORDS = {user.name: user.password for user in example_users()}
COMMON = {"jsonapi", "rest", "basic_auth", "node"}
# The recorded sites, by version.
SITES: dict[str, dict[str, Any]] = {
    "10": {
        "modules": frozenset({*COMMON, "views", "big_pipe", "search", "contact", "history", "menu_ui"}),
        "front": "/node",
        "files": {"/web.config": b"<configuration/>"},
    },
    "11": {
        "modules": frozenset({*COMMON, "views", "big_pipe"}),
        "front": "/node",
        "files": {},
        "register": "admin_only",
        "content_types": ("article",),
    },
    "10.5": {
        "modules": frozenset({*COMMON, "simple_oauth"}),
        "front": "/user/login",
        "files": {},
        "scripts": False,
        "node_titles": (),
    },
}
ALIASES = {
    "/anmelden": "/user/login",
    "/a/b/login": "/user/login",
    "/sign-in.html": "/user/login",
    "/zuruecksetzen": "/user/reset/2",
}
# What each `config` sets on top of the site.
CONFIGS: dict[str, dict[str, Any]] = {
    "base": {},
    "block": {"login_block": True},
    "lang": {"languages": ("de", "pt-br")},
    "alias": {"aliases": ALIASES},
    "403=/user/login 404=/user/login": {"page_403": "/user/login", "page_404": "/user/login"},
    "front=/user/login": {"front": "/user/login"},
    "reverse_proxy": {"reverse_proxy_addresses": ("127.0.0.1",)},
    "reg": {"register": "visitors", "verify_mail": False},
    "rw": {"json_api_read_only": False},
    "name_suffix": {"name_suffix": "x"},
    "cookie_domain": {"cookie_domain": ".example.test"},
    # Ids of 32 characters on 10 as well, which no request depends on.
    "sid_length": {},
}
MORE_MODULES = {"reg": frozenset({"user_registration"})}
# Entries that carry an anonymous session, and those that carry the user's own; the others carry one of bob's.
ANONYMOUS_SESSIONS = frozenset(
    {"fixation-034", "fixation-035", "fixation-036", "basic-header-072", "register-022", "register-045"}
)
OWN_SESSIONS = ("rest-write",)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One recorded request, and its outcome on each version."""

    id: str
    config: str
    as_user: str
    request: str = field(repr=False)
    outcomes: Mapping[str, Mapping[str, Any]] = field(repr=False)


def entries() -> list[Entry]:
    """Read the entries. In the file, versions with the same outcome share it."""
    shared = [Entry(**entry) for entry in json.loads(GIVEN.read_text())]
    return [replace(entry, outcomes=by_version(entry.outcomes)) for entry in shared]


def by_version(shared: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    return {version: outcome for versions, outcome in shared.items() for version in versions.split()}


def options(config: str, version: str) -> DrupalOptions:
    """Return the settings of the recorded site of this version, with what *config* changes."""
    chosen = {"version": version, "languages": (), **SITES[version], **CONFIGS[config]}
    chosen["modules"] |= MORE_MODULES.get(config, frozenset())
    return DrupalOptions(**chosen)


def filled(entry: Entry, drupal: SimulatedDrupal, *, host: str = HOST) -> bytes:
    """Return the bytes of the request, with what this run of *drupal* needs in its places."""
    user = account(drupal, entry.as_user)
    values = {"HOST": host, "RND": secrets.token_hex(4), **credentials(user), **cookie_names(host)}
    if "{CKVAL" in entry.request:
        values |= carried(session_of(entry, drupal, host))
    if "{TS" in entry.request:
        values |= links(drupal, user)
    if re.search("{(?:AT|ATCC|RT|CODE)}", entry.request):
        values |= tokens(drupal, user)
    text = entry.request
    for key, value in values.items():
        text = text.replace("{" + key + "}", value)
    body = re.split(r"\r?\n\r?\n", text.rpartition("{LEN}")[2], maxsplit=1)[-1]
    return text.replace("{LEN}", str(len(body.encode("latin-1")))).encode("latin-1")


def account(drupal: SimulatedDrupal, name: str) -> User:
    user = drupal.accounts.named([name], active=True)
    assert user is not None
    return user


def credentials(user: User) -> dict[str, str]:
    """Return what names and proves *user*, in the spellings of the requests."""
    name, password = user.name, PASSWORDS[user.name]
    pair = f"{name}:{password}".encode()
    plain = base64.b64encode(pair).decode()
    return {
        "NAME": name,
        "PASS": password,
        "UID": str(user.uid),
        "UUID": user.uuid,
        "BASIC": plain,
        "BASIC_URLSAFE": base64.urlsafe_b64encode(pair).decode(),
        "BASIC_SPACED": re.sub("(....)", r"\1 ", plain).strip(),
        "BASIC_UPPERNAME": base64.b64encode(f"{name.upper()}:{password}".encode()).decode(),
        "BASIC_NOCOLON": base64.b64encode(f"{name}{password}".encode()).decode(),
    }


def origin(host: str, *, base_path: str = "") -> Origin:
    return Origin(scheme="http", host=host.partition(":")[0], port=80, address="127.0.0.1", base_path=base_path)


def cookie_names(host: str) -> dict[str, str]:
    """Return the names of Drupal's cookie for this host, for others, and below other base paths."""
    return {
        "CKNAME": origin(host).cookie_name,
        "CKNAME_UP": origin(host).cookie_name.upper(),
        "CKNAME_DET": origin("drupal.example.test").cookie_name,
        "CK_EVIL": origin("evil.test").cookie_name,
        "CK_FOO": origin(host, base_path="/foo").cookie_name,
        "CK_ENCFC": origin(host, base_path="/%69ndex.php").cookie_name,
    }


def session_of(entry: Entry, drupal: SimulatedDrupal, host: str) -> Session:
    """Open the session that the request carries."""
    if entry.id in ANONYMOUS_SESSIONS:
        return drupal.open_session(origin(host), 0)
    name = entry.as_user if entry.id.startswith(OWN_SESSIONS) else "bob"
    return drupal.open_session(origin(host), account(drupal, name).uid)


def carried(session: Session) -> dict[str, str]:
    """Return the cookie of *session*, and the tokens that its pages contain."""
    encoded = "".join(f"%{ord(char):02X}" for char in unquote(session.value))
    token = session.rest_token
    return {"CKVAL": session.value, "CKVAL_ENC": encoded, "CSRF": token, "FTOK": token, "FBID": "form-x"}


def links(drupal: SimulatedDrupal, user: User) -> dict[str, str]:
    """Return the parts of a one-time link of now, and of one that is an hour ahead."""
    *_, stamp, hashed, _ = drupal.one_time_link(user.uid).split("/")
    *_, later, hashed_later, _ = drupal.one_time_link(user.uid, at=drupal.now() + 3600).split("/")
    return {"TS": stamp, "HASH": hashed, "TSF": later, "HASHF": hashed_later}


def tokens(drupal: SimulatedDrupal, user: User) -> dict[str, str]:
    """Hand out a user's tokens, a code of theirs, and a token for the client itself."""
    grant: dict[str, Any] = {"client": "gw", "scopes": ("basic",)}
    return {
        "AT": drupal.tokens.issue("access", uid=user.uid, **grant).value,
        "RT": drupal.tokens.issue("refresh", uid=user.uid, **grant).value,
        "CODE": drupal.tokens.issue("code", uid=user.uid, **grant).value,
        "ATCC": drupal.tokens.issue("access", uid=2, **grant).value,
    }


async def send(port: int, request: bytes) -> bytes:
    """Send the bytes and return all that comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    is_closed_after = b"connection: close" in request.lower()
    received = b""
    try:
        while part := await asyncio.wait_for(reader.read(65_536), SECONDS if is_closed_after else IDLE_SECONDS):
            received += part
    except (TimeoutError, ConnectionError):
        pass
    finally:
        writer.close()
    return received
