"""What each recorded site had been through before an exchange, as its name and note tell."""

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import unquote

from gateway.demo.drupal.accounts import example_users
from gateway.demo.drupal.faults import Fault, Kind
from gateway.demo.drupal.server import SimulatedDrupal
from gateway.demo.drupal.site import DrupalOptions
from tests.contracts.recorded.wire import Answer, Exchange, recorded_uuids, send

HOST, FQDN = "127.0.0.1:8081", "drupal.example.test"
JSON = ("Content-Type", "application/json")
NAMES = {"10": "Real Drupal", "11": "Real Drupal 11"}
PROXY = {"reverse_proxy_addresses": ("127.0.0.1",)}
UUIDS = {version: recorded_uuids(version) for version in NAMES}
LOGIN_PATH = "/user/login?_format=json"


class Clock:
    def __init__(self) -> None:
        self.seconds = 1_795_492_800.0

    def __call__(self) -> float:
        return self.seconds


@dataclass(kw_only=True)
class Replay:
    """A running site, the exchange to replay on it, and what was learned while getting there."""

    exchange: Exchange
    drupal: SimulatedDrupal
    clock: Clock
    port: int
    cookie: str | None = None
    token: str | None = None
    tokens: dict[str, str] = field(default_factory=dict)

    async def log_in(self, name: str, *headers: tuple[str, str]) -> Answer:
        answer = await self.post({"name": name, "pass": f"{name}-pass-1"}, *headers)
        assert answer.status == 200
        self.tokens = json.loads(answer.body)
        self.cookie, self.token = answer.cookie, self.tokens["logout_token"]
        return answer

    async def post(self, body: Mapping[str, str], *headers: tuple[str, str], source: str = "127.0.0.1") -> Answer:
        hosted = [*self._hosted(headers), JSON]
        return await send(self.port, "POST", LOGIN_PATH, hosted, json.dumps(body).encode(), source=source)

    async def get(self, path: str, *headers: tuple[str, str], method: str = "GET") -> Answer:
        return await send(self.port, method, path, self._hosted(headers))

    async def run(self) -> Answer:
        """Send the recorded request, with the cookie and token of this run in place of the recorded ones."""
        request, headers = self.exchange.request, self.exchange.headers
        if self.cookie is not None:
            headers = [(key, self._own_cookie(value) if key == "Cookie" else value) for key, value in headers]
        path = request["path"]
        if self.token is not None:
            path = re.sub(r"token=[\w-]{43}", f"token={self.token}", path)
        return await send(self.port, request["method"], path, headers, self.exchange.body, source=self.exchange.source)

    def _hosted(self, headers: tuple[tuple[str, str], ...]) -> list[tuple[str, str]]:
        return [*headers] if any(key == "Host" for key, _ in headers) else [("Host", HOST), *headers]

    def _own_cookie(self, value: str) -> str:
        return re.sub(r'(?i)(s?sess[0-9a-f]{32}="?)[^;"]*', lambda found: found[1] + (self.cookie or ""), value)


Step = Callable[[Replay], Awaitable[Any]]


@dataclass(frozen=True)
class Given:
    options: Mapping[str, Any] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()


def options(exchange: Exchange, clock: Clock, chosen: Mapping[str, Any]) -> DrupalOptions:
    """Return the recorded site's options: all three modules on, its name, its accounts under their uuids."""
    uuids = UUIDS[exchange.version]
    users = tuple(replace(user, uuid=uuids.get(user.name, user.uuid)) for user in example_users())
    modules = frozenset({"jsonapi", "rest", "basic_auth"})
    settings = {"version": exchange.version, "name": NAMES[exchange.version], "modules": modules, "users": users}
    return DrupalOptions(**{**settings, "now": clock, **chosen})


def logged_in(name: str = "alice", *headers: tuple[str, str]) -> Step:
    async def step(replay: Replay) -> None:
        await replay.log_in(name, *headers)

    return step


def failures(
    count: int, name: str = "nobody{}", *headers: tuple[str, str], sources: tuple[str, ...] = ("127.0.0.1",)
) -> Step:
    async def step(replay: Replay) -> None:
        for number in range(1, count + 1):
            source = sources[number % len(sources)]
            await replay.post({"name": name.format(number), "pass": "x"}, *headers, source=source)

    return step


def basic_failures(count: int) -> Step:
    async def step(replay: Replay) -> None:
        for _ in range(count):
            await replay.get("/user/2?_format=json", ("Authorization", "Basic YWxpY2U6YmFk"))

    return step


def later(seconds: float) -> Step:
    async def step(replay: Replay) -> None:
        replay.clock.seconds += seconds

    return step


def turned(turn: Callable[[SimulatedDrupal], Any]) -> Step:
    async def step(replay: Replay) -> None:
        turn(replay.drupal)

    return step


def switched(**switches: Any) -> Step:
    return turned(lambda drupal: [setattr(drupal, name, value) for name, value in switches.items()])


def asked(method: str, path: str) -> Step:
    """Ask something with the cookie so far; `{token}` in the path is the logout token so far."""

    async def step(replay: Replay) -> None:
        cookie = ("Cookie", f"SESS12ca17b49af2289436f303e0166030a2={replay.cookie}")
        await replay.get(path.format(token=replay.token), cookie, method=method)

    return step


async def changed_own_password(replay: Replay) -> None:
    """A second session of the same account changes the password in the account form."""
    other = replay.cookie
    await replay.log_in("alice")
    cookie = ("Cookie", f"SESS12ca17b49af2289436f303e0166030a2={replay.cookie}")
    page = (await replay.get("/user/2/edit", cookie)).body.decode()
    token = page.partition('name="form_token" value="')[2].partition('"')[0]
    body = f"form_id=user_form&form_token={token}&current_pass=alice-pass-1&pass[pass1]=new&pass[pass2]=new"
    headers = [("Host", HOST), cookie, ("Content-Type", "application/x-www-form-urlencoded")]
    answer = await send(replay.port, "POST", "/user/2/edit", headers, body.encode())
    assert (answer.status, answer.cookie == replay.cookie) == (303, False)
    replay.cookie = other


async def anonymous_session(replay: Replay) -> None:
    """Broken mail leaves a message in an anonymous session."""
    replay.drupal.mail_broken = True
    answer = await send(replay.port, "POST", "/user/password?_format=json", [("Host", HOST), JSON], b'{"name":"alice"}')
    replay.cookie = answer.cookie


async def decoded(replay: Replay) -> None:
    replay.cookie = unquote(replay.cookie or "")


async def token_of_the_other_session(replay: Replay) -> None:
    cookie = replay.cookie
    await replay.log_in("alice")
    replay.cookie = cookie


async def first_of_two_sessions(replay: Replay) -> None:
    cookie, token = replay.cookie, replay.token
    await replay.log_in("alice")
    replay.cookie, replay.token = cookie, token


async def csrf_token(replay: Replay) -> None:
    replay.token = replay.tokens["csrf_token"]


async def relogin_from_anonymous(replay: Replay) -> None:
    """Log in with the anonymous cookie, then look with the old one."""
    old = replay.cookie
    await replay.log_in("alice", ("Cookie", f"SESS12ca17b49af2289436f303e0166030a2={old}"))
    replay.tokens["old"] = old or ""


async def old_cookie(replay: Replay) -> None:
    replay.cookie = replay.tokens["old"]


ALICE, BOB, ADMIN = logged_in(), logged_in("bob"), logged_in("admin")
A, B = ("X-Forwarded-For", "203.0.113.10"), ("X-Forwarded-For", "203.0.113.20")
SECURE = (("Host", FQDN), ("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-Proto", "https"))
PROFILES = {"profiles_visible": True}
TRUSTED = {"trusted_hosts": (r"^drupal\.example\.test$",)}
LOGGED_OUT = asked("POST", "/user/logout?_format=json&token={token}")
UNDER_MAINTENANCE = switched(maintenance=True)
DOWN = switched(fault=Fault(kind=Kind.SERVER_ERROR))
BLOCKED = turned(lambda drupal: drupal.block(5))

GIVEN: dict[str, Given] = {
    "basic_and_cookie": Given(steps=(BOB,)),
    "basic_flood_6th_wrong": Given(steps=(basic_failures(5),)),
    "basic_flood_json_login_ok": Given(steps=(basic_failures(5),)),
    "basic_flood_right_password": Given(steps=(basic_failures(5),)),
    "cookie_quoted": Given(steps=(ALICE,)),
    "cookie_undecoded_percent": Given({"commas": True}, (ALICE, decoded)),
    "cookie_with_others": Given(steps=(ALICE,)),
    "cookie_wrong_case": Given(steps=(ALICE,)),
    "cookie_xfh_bad": Given(PROXY),
    "cookie_xfh_reverse_proxy": Given(PROXY),
    "cookie_xfp_garbage": Given(PROXY),
    "cookie_xfp_http_reverse_proxy": Given(PROXY),
    "cookie_xfp_https_reverse_proxy": Given(PROXY),
    "cookie_xfp_list": Given(PROXY),
    "cookie_xfp_list2": Given(PROXY),
    "cookie_xfp_renamed": Given(PROXY, (logged_in("alice", *SECURE),)),
    "cookie_xfp_use_other_host": Given(PROXY, (logged_in("alice", *SECURE),)),
    "cookie_xfp_use_over_http": Given(PROXY, (logged_in("alice", *SECURE),)),
    "cookie_xfp_use_over_https": Given(PROXY, (logged_in("alice", *SECURE),)),
    "cookie_xfport_only": Given(PROXY),
    "fail_db_back_session": Given(steps=(ALICE, DOWN, asked("GET", "/jsonapi"), switched(fault=None))),
    "fail_db_down_html_login": Given(steps=(DOWN,)),
    "fail_db_down_jsonapi": Given(steps=(DOWN,)),
    "fail_db_down_login": Given(steps=(DOWN,)),
    "fail_db_down_login_status": Given(steps=(ALICE, DOWN)),
    "fail_db_frozen_login": Given(steps=(switched(fault=Fault(kind=Kind.GATEWAY_TIMEOUT)),)),
    "fail_db_readonly_login": Given(steps=(DOWN,)),
    "fail_db_readonly_login_wrong": Given(steps=(DOWN,)),
    "fail_fpm_down_login": Given(steps=(switched(fault=Fault(kind=Kind.BAD_GATEWAY)),)),
    "fail_user_row_locked_login": Given(steps=(switched(fault=Fault(kind=Kind.SLOW, seconds=0.05)),)),
    "flood_both_limits": Given(steps=(failures(5, "alice"), failures(45))),
    "flood_ip_51st_wrong": Given(steps=(failures(50),)),
    "flood_ip_after_1h": Given(steps=(failures(50), later(3601))),
    "flood_ip_basic_auth": Given(steps=(failures(50),)),
    "flood_ip_blocked_user": Given(steps=(failures(50),)),
    "flood_ip_existing_session_ok": Given(steps=(ALICE, failures(50))),
    "flood_ip_fail_49": Given(steps=(failures(48),)),
    "flood_ip_fail_50": Given(steps=(failures(49),)),
    "flood_ip_html_form_also": Given(steps=(failures(50),)),
    "flood_ip_login_status": Given(steps=(failures(50),)),
    "flood_ip_missing_pass": Given(steps=(failures(50),)),
    "flood_ip_other_ip": Given(steps=(failures(50),)),
    "flood_ip_right_password": Given(steps=(failures(50),)),
    "flood_ip_success_does_not_reset": Given(steps=(failures(49), ALICE, failures(1))),
    "flood_table_missing_ok": Given(steps=(failures(50), turned(lambda drupal: drupal.flood.empty()))),
    "flood_table_missing_wrong": Given(steps=(failures(50), turned(lambda drupal: drupal.flood.empty()))),
    "flood_uid_only_6th": Given(
        {"uid_only": True}, (failures(5, "alice", sources=tuple(f"127.0.0.{last}" for last in range(2, 7))),)
    ),
    "flood_user_6th_wrong": Given(steps=(failures(5, "alice"),)),
    "flood_user_7th_right": Given(steps=(failures(6, "alice"),)),
    "flood_user_after_1h": Given(steps=(failures(5, "alice"), later(3601))),
    "flood_user_after_6h": Given(steps=(failures(5, "alice"), later(21601))),
    "flood_user_alias_uppercase": Given(steps=(failures(5, "alice"),)),
    "flood_user_basic_auth_still_works": Given(steps=(failures(5, "alice"),)),
    "flood_user_other_user_same_ip": Given(steps=(failures(5, "alice"),)),
    "flood_user_same_user_other_ip": Given(steps=(failures(5, "alice"),)),
    "flood_user_success_after_4": Given(steps=(failures(4, "alice"),)),
    **{f"flood_user_fail_{count}": Given(steps=(failures(count - 1, "alice"),)) for count in range(2, 6)},
    "forwarded_only": Given(PROXY),
    "jsonapi_filter_by_admin": Given(steps=(ALICE, ADMIN)),
    "jsonapi_filter_other_with_profiles_perm": Given(PROFILES, (ALICE,)),
    "jsonapi_user_other_with_profiles_perm": Given(PROFILES, (ALICE,)),
    "login_status_after_get_logout": Given(steps=(ALICE, asked("GET", "/user/logout?_format=json&token={token}"))),
    "login_status_after_html_logout": Given(steps=(ALICE, asked("GET", "/user/logout?token={token}"))),
    "login_status_after_logout": Given(steps=(ALICE, LOGGED_OUT)),
    "login_status_bogus_cookie": Given(),
    "login_status_other_session_survives": Given(steps=(ALICE, first_of_two_sessions)),
    "login_two_session_cookies": Given(),
    "login_with_stale_cookie": Given(),
    "logout_fqdn_delete_cookie": Given(steps=(logged_in("alice", ("Host", FQDN)),)),
    "logout_get_html_with_token": Given(steps=(ALICE, asked("GET", "/user"))),
    "logout_https_delete_cookie": Given(PROXY, (logged_in("alice", *SECURE),)),
    "logout_https_session_over_http": Given(PROXY, (logged_in("alice", *SECURE),)),
    "logout_one_of_two": Given(steps=(ALICE, first_of_two_sessions)),
    "logout_other_session_token": Given(steps=(ALICE, token_of_the_other_session)),
    "logout_post_again": Given(steps=(ALICE, LOGGED_OUT)),
    "logout_post_csrf_token_as_token": Given(steps=(ALICE, csrf_token)),
    "maint_html_front": Given(steps=(UNDER_MAINTENANCE,)),
    "maint_html_login_get": Given(steps=(UNDER_MAINTENANCE,)),
    "maint_jsonapi_anon": Given(steps=(UNDER_MAINTENANCE,)),
    "maint_login": Given(steps=(UNDER_MAINTENANCE,)),
    "maint_login_admin": Given(steps=(UNDER_MAINTENANCE,)),
    "maint_login_status_alice": Given(steps=(ALICE, UNDER_MAINTENANCE)),
    "maint_login_status_anon": Given(steps=(UNDER_MAINTENANCE,)),
    "maint_login_wrong": Given(steps=(UNDER_MAINTENANCE,)),
    "maint_off_alice_session": Given(
        steps=(ALICE, UNDER_MAINTENANCE, asked("GET", "/user/login_status?_format=json"), switched(maintenance=False))
    ),
    "maint_rest_admin": Given(steps=(ALICE, ADMIN, UNDER_MAINTENANCE)),
    # On 11.4 the session was dead by then, which shows in two cookies.
    "maint_rest_alice": Given(steps=(ALICE, UNDER_MAINTENANCE, asked("GET", "/user/login_status?_format=json"))),
    "maint_rest_basic_alice": Given(steps=(UNDER_MAINTENANCE,)),
    "maint_session_token": Given(steps=(ALICE, UNDER_MAINTENANCE, asked("GET", "/user/login_status?_format=json"))),
    "pwreset_mail_failure": Given(steps=(switched(mail_broken=True),)),
    "pwreset_mail_failure_unknown": Given(steps=(switched(mail_broken=True),)),
    "pwreset_xfh_poison": Given(PROXY),
    "rest_user_by_admin": Given(steps=(ALICE, ADMIN)),
    "rest_user_other_with_profiles_perm": Given(PROFILES, (ALICE,)),
    "session_after_block_login_status": Given(steps=(logged_in("dave"), BLOCKED)),
    "session_after_block_rest": Given(steps=(logged_in("dave"), BLOCKED)),
    "session_after_password_change": Given(steps=(ALICE, turned(lambda drupal: drupal.change_password(2, "new")))),
    "session_after_self_password_change_other_session": Given(steps=(ALICE, changed_own_password)),
    "session_after_unblock": Given(steps=(logged_in("dave"), BLOCKED, turned(lambda drupal: drupal.unblock(5)))),
    "session_fixation_attempt": Given(),
    "session_fixation_old": Given(),
    "session_old_timestamp": Given(steps=(ALICE, later(35 * 86_400))),
    "session_rotation_anon_to_login": Given(steps=(anonymous_session,)),
    "session_rotation_new_cookie": Given(steps=(anonymous_session, relogin_from_anonymous)),
    "session_rotation_old_cookie": Given(steps=(anonymous_session, relogin_from_anonymous, old_cookie)),
    **{f"trusted_host_{case}": Given(TRUSTED) for case in ("bad", "bad_get_html", "ok", "ok_port")},
    "trusted_host_xfh_bad": Given({**TRUSTED, **PROXY}),
    "xff_and_forwarded_conflict": Given(PROXY),
    "xff_and_forwarded_same": Given(PROXY),
    "xff_from_untrusted_source": Given(PROXY),
    "xff_noproxy_51st_failure_client_A": Given(steps=(failures(50, "nobody{}", A),)),
    "xff_noproxy_client_B_blocked": Given(steps=(failures(50, "nobody{}", A),)),
    "xff_noproxy_userflood_client_B": Given(steps=(failures(5, "alice", A),)),
    "xff_proxy_userflood_A_6th": Given(PROXY, (failures(5, "alice", A),)),
    "xff_proxy_userflood_B_ok": Given(PROXY, (failures(5, "alice", A),)),
}
FLOODED_CLIENT = Given(PROXY, (failures(50, "nobody{}", A),))
WITH_A_COOKIE = Given(steps=(ALICE,))


def given(exchange: Exchange) -> Given:
    """Return what came before *exchange*; by default a login of alice if it sends a cookie, or nothing."""
    if exchange.name in GIVEN:
        return GIVEN[exchange.name]
    if exchange.name.startswith("xff_proxy_value"):
        return Given(PROXY)
    if exchange.name.startswith("xff_proxy"):
        return FLOODED_CLIENT
    return WITH_A_COOKIE if any(name == "Cookie" for name, _ in exchange.headers) else Given()
