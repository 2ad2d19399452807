"""The recorded requests: how each one is filled in and sent, and which site it needs."""

import asyncio
import base64
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from gateway.demo.drupal.accounts import User, example_users
from gateway.demo.drupal.origin import Origin
from gateway.demo.drupal.server import SimulatedDrupal
from gateway.demo.drupal.site import DrupalOptions, Session

GIVEN = Path(__file__).parent / "given.json"
HOST = "127.0.0.1:8081"
IDLE_SECONDS = 0.25
PASSWORDS = {user.name: user.password for user in example_users()}
COMMON = {"jsonapi", "rest", "basic_auth", "node", "big_pipe"}
MODULES = {
    "10": frozenset({*COMMON, "views", "search", "contact", "history", "menu_ui"}),
    "11": frozenset({*COMMON, "views"}),
    "10.5": frozenset({"jsonapi", "rest", "basic_auth", "node", "simple_oauth"}),
}
SITES: dict[str, dict[str, Any]] = {
    "10": {"front": "/node", "files": {"/web.config": b"<configuration/>"}},
    "11": {"front": "/node", "files": {}, "register": "admin_only", "content_types": ("article",)},
    "10.5": {"front": "/user/login", "files": {}, "scripts": False, "node_titles": ()},
}
# What each `config` sets on top of the site.
CONFIGS: dict[str, dict[str, Any]] = {
    "base": {},
    "block": {"login_block": True},
    "lang": {"languages": ("de", "pt-br")},
    "alias": {
        "aliases": {
            "/anmelden": "/user/login",
            "/a/b/login": "/user/login",
            "/sign-in.html": "/user/login",
            "/zuruecksetzen": "/user/reset/2",
        }
    },
    "403=/user/login 404=/user/login": {"page_403": "/user/login", "page_404": "/user/login"},
    "front=/user/login": {"front": "/user/login"},
    "reverse_proxy": {"reverse_proxy_addresses": ("127.0.0.1",)},
    "reg": {"register": "visitors", "verify_mail": False},
    "rw": {"json_api_read_only": False},
    "name_suffix": {"name_suffix": "x"},
    "cookie_domain": {"cookie_domain": ".example.test"},
    "sid_length": {},
}
ANONYMOUS_SESSIONS = frozenset(
    {"fixation-034", "fixation-035", "fixation-036", "basic-header-072", "register-022", "register-045"}
)
OWN_SESSIONS = ("rest-write",)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One recorded request, and what each version did with it."""

    id: str
    config: str
    as_user: str
    request: str = field(repr=False)
    outcomes: Mapping[str, Mapping[str, Any]] = field(repr=False)


def entries() -> list[Entry]:
    read = [Entry(**entry) for entry in json.loads(GIVEN.read_text())]
    return [
        Entry(
            id=entry.id,
            config=entry.config,
            as_user=entry.as_user,
            request=entry.request,
            outcomes={version: outcome for versions, outcome in entry.outcomes.items() for version in versions.split()},
        )
        for entry in read
    ]


def options(config: str, version: str) -> DrupalOptions:
    """Return the settings of the recorded site of this version, with what *config* changes."""
    chosen = {"version": version, "modules": MODULES[version], "languages": (), **SITES[version], **CONFIGS[config]}
    if config == "reg":
        chosen["modules"] |= {"user_registration"}
    return DrupalOptions(**chosen)


def origin(host: str = "127.0.0.1", *, base_path: str = "") -> Origin:
    return Origin(scheme="http", host=host, port=8081, address="127.0.0.1", base_path=base_path)


def session_of(entry: Entry, drupal: SimulatedDrupal) -> Session:
    """Open the session that the request carries: an anonymous one, the user's own, or bob's."""
    if entry.id in ANONYMOUS_SESSIONS:
        return drupal.open_session(origin(), 0)
    name = entry.as_user if entry.id.startswith(OWN_SESSIONS) else "bob"
    return drupal.open_session(origin(), account(drupal, name).uid)


def account(drupal: SimulatedDrupal, name: str) -> User:
    user = drupal.accounts.named([name], active=True)
    assert user is not None
    return user


def basic(name: str, password: str) -> str:
    return base64.b64encode(f"{name}:{password}".encode()).decode()


def filled(entry: Entry, drupal: SimulatedDrupal) -> bytes:
    """Return the bytes of the request, with what this run of the site needs in its places."""
    text = entry.request
    name, password = entry.as_user, PASSWORDS[entry.as_user]
    user = account(drupal, name)
    values = {
        "NAME": name,
        "PASS": password,
        "HOST": HOST,
        "RND": secrets.token_hex(4),
        "UID": str(user.uid),
        "UUID": user.uuid,
        "BASIC": basic(name, password),
        "BASIC_URLSAFE": base64.urlsafe_b64encode(f"{name}:{password}".encode()).decode(),
        "BASIC_SPACED": re.sub("(....)", r"\1 ", basic(name, password)).strip(),
        "BASIC_UPPERNAME": basic(name.upper(), password),
        "BASIC_NOCOLON": base64.b64encode(f"{name}{password}".encode()).decode(),
        "CKNAME": origin().cookie_name,
        "CKNAME_UP": origin().cookie_name.upper(),
        "CKNAME_DET": origin("drupal.example.test").cookie_name,
        "CK_EVIL": origin("evil.test").cookie_name,
        "CK_FOO": origin(base_path="/foo").cookie_name,
        "CK_ENCFC": origin(base_path="/%69ndex.php").cookie_name,
    }
    if "{CKVAL" in text:
        session = session_of(entry, drupal)
        values |= {
            "CKVAL": session.value,
            "CKVAL_ENC": "".join(f"%{ord(char):02X}" for char in unquote(session.value)),
            "CSRF": session.rest_token,
            "FTOK": session.rest_token,
            "FBID": "form-x",
        }
    if "{TS" in text:
        values |= links(drupal, user)
    if re.search("{(?:AT|ATCC|RT|CODE)}", text):
        values |= tokens(drupal, user)
    for key, value in values.items():
        text = text.replace("{" + key + "}", value)
    body = re.split(r"\r?\n\r?\n", text.rpartition("{LEN}")[2], maxsplit=1)[-1]
    length = len(body.encode("latin-1"))
    return text.replace("{LEN}", str(length)).encode("latin-1")


def links(drupal: SimulatedDrupal, user: User) -> dict[str, str]:
    _, _, _, _, stamp, hashed, _ = drupal.one_time_link(user.uid).split("/")
    _, _, _, _, later, hashed_later, _ = drupal.one_time_link(user.uid, at=drupal.now() + 3600).split("/")
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
    received = b""
    try:
        while part := await asyncio.wait_for(reader.read(65_536), IDLE_SECONDS):
            received += part
    except TimeoutError:
        pass
    except ConnectionError:
        pass
    writer.close()
    return received
