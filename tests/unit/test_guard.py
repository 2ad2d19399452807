"""The guard's verdicts, by tables of what was measured on Drupal 10.5, 10.6 and 11.4."""

import pytest

from gateway.web.site.guard import (
    GRANTS,
    cookies_in,
    folded,
    grants_asked,
    landing,
    place_of,
    session_set_by,
    wants_page,
    without_credentials,
)

NAME = "SESS" + "0123456789abcdef" * 2
TLS_NAME = "S" + NAME


class TestCookiesOfARequest:
    def test_sessions_our_own_and_others_are_told_apart(self):
        cookies = cookies_in([f"a=1; {NAME}=x; __Host-headgate-device=t; b=2"])

        assert cookies.sessions == [(NAME, "x")]
        assert cookies.own == {"__Host-headgate-device": "t"}
        assert cookies.others == ("a=1", "b=2")

    def test_every_pair_of_every_header_is_seen(self):
        cookies = cookies_in([f"{NAME}=1;{NAME}=2", f"{TLS_NAME}=3"])

        assert cookies.sessions == [(NAME, "1"), (NAME, "2"), (TLS_NAME, "3")]

    @pytest.mark.parametrize(
        "name",
        [
            f" {NAME} ",
            NAME.lower(),
            NAME.upper(),
            "%53" + NAME[1:],
            f"%20{NAME}",
            f"{NAME}%00",
            f"{NAME}[]",
            f"${NAME}",
            f'"{NAME}"',
            f"{NAME}.",
        ],
    )
    def test_no_spelling_of_a_sessions_name_is_passed_on(self, name):
        assert cookies_in([f"{name}=x; a=1"]).others == ("a=1",)

    @pytest.mark.parametrize(
        "other", ["SESSION=1", "XSESS" + "a" * 32 + "b=1", "a", "a=b=c", 'q="x"', "Drupal.visitor.x=y"]
    )
    def test_other_cookies_go_on_as_they_came(self, other):
        assert cookies_in([other]).others == (other,)


class TestCookiesOfAnAnswer:
    @pytest.mark.parametrize("name", [NAME, TLS_NAME])
    def test_a_sessions_cookie_is_found(self, name):
        found = session_set_by(f"{name}=abc%2C; path=/; HttpOnly")

        assert (found.name, found.value, found.is_deletion) == (name, "abc%2C", False)

    @pytest.mark.parametrize("line", [f"{NAME.lower()}=x", f" {NAME} = x", f"{NAME}=x;", f"{NAME.upper()}=x"])
    def test_a_browser_may_take_other_spellings_so_they_count(self, line):
        assert session_set_by(line) is not None

    @pytest.mark.parametrize("value", ["", "deleted"])
    def test_a_deletion_is_told_by_its_value(self, value):
        assert session_set_by(f"{NAME}={value}; Max-Age=3600").is_deletion

    def test_a_date_in_the_past_makes_no_deletion(self):
        assert not session_set_by(f"{NAME}=abc; expires=Thu, 01 Jan 1970 00:00:01 GMT; Max-Age=0").is_deletion

    @pytest.mark.parametrize("line", ["a=1", "SESSION=1", f"x{NAME}=1", "SESS=1"])
    def test_other_cookies_are_no_sessions(self, line):
        assert session_set_by(line) is None


class TestCredentialsInHeaders:
    @pytest.mark.parametrize(
        "header",
        [
            ("Authorization", "Basic YTpi"),
            ("authorization", "basic YTpi"),
            ("AUTHORIZATION", "Digest x"),
            ("Authorization", "Bearer x"),
            ("PHP-AUTH-USER", "alice"),
            ("Php-Auth-Pw", "secret"),
            ("PHP_AUTH_DIGEST", "Bearer x"),
            ("PHP-AUTH-DIGEST", "Bearer x"),
            ("Redirect-Http-Authorization", "Basic YTpi"),
            ("Cookie", f"{NAME}=x"),
        ],
    )
    def test_what_logs_somebody_in_is_left_out(self, header):
        kept, _ = without_credentials([("Accept", "*/*"), header], bearer=False)

        assert kept == [("Accept", "*/*")]

    @pytest.mark.parametrize(("value", "passes"), [("Bearer abc", True), ("bearer abc", False), ("Bearer a:b", False)])
    def test_a_bearer_token_is_passed_on_where_the_site_wants_it(self, value, passes):
        kept, _ = without_credentials([("Authorization", value)], bearer=True)

        assert bool(kept) is passes


LOGIN_SPELLINGS = [
    "/user/login",
    "/USER/Login",
    "/user/login/",
    "/u%73er/login",
    "/user%2Flogin",
    "/u%C5%BFer/login",
    "/index.php/user/login",
    "/%69ndex.php/user/login",
    "/index%2ephp/USER%2flogin/",
    "/index.phpuser/login",
    "/index.php%2Fuser%2Flogin",
    "/user/login?x=1",
    "/user/login#x",
]


class TestPaths:
    @pytest.mark.parametrize("target", LOGIN_SPELLINGS)
    def test_every_spelling_that_drupal_folds_is_folded(self, target):
        assert folded(target) == "/user/login"

    @pytest.mark.parametrize(
        "target", ["//user/login", "/user//login", "/user/./login", "/user%252Flogin", "/user/login;x", "/user/login//"]
    )
    def test_what_drupal_does_not_fold_is_not_folded(self, target):
        assert folded(target) != "/user/login"

    @pytest.mark.parametrize(
        "target",
        [
            "/update.php",
            "/update.php/selection",
            "/UPDATE.php",
            "/%75pdate.php",
            "/core/install.php",
            "/core/authorize.php",
            "/core/rebuild.php?x",
            "/core/modules/statistics/statistics.php",
            "/cron/abcdef",
            "/de/cron/abcdef",
            "/index.php/cron/abcdef",
            "/install.php",
            "//update.php",
            "/x/../update.php",
            "/./core//install.php",
            "/x/%2e%2e/update.php/selection",
        ],
    )
    def test_what_acts_without_a_session_is_closed(self, target):
        assert place_of(target) == "closed"

    @pytest.mark.parametrize(
        "target", ["/", "/node/1", "/index.php", "/core/misc/drupal.js", "/cronjobs", "/user/login"]
    )
    def test_pages_are_open(self, target):
        assert place_of(target) == "page"

    @pytest.mark.parametrize(
        "target",
        [
            "/oauth/token",
            "/OAUTH/to%E2%84%AAen",
            "/de/oauth/token",
            "/zh-hans/oauth/token",
            "/a_1/oauth/token",
            "/index.php/oauth/token/",
        ],
    )
    def test_token_routes(self, target):
        assert place_of(target) == "token"

    @pytest.mark.parametrize(
        "target", ["/user/2/edit", "/user/2?_format=json", "/jsonapi/user/user/abc", "/de/user/2/edit"]
    )
    def test_where_a_user_changes_their_password(self, target):
        assert place_of(target) == "account"

    @pytest.mark.parametrize("target", ["/%69ndex.php/user/login", "/index%2ephp", "/INDEX.php"])
    def test_a_spelling_with_a_cookie_of_its_own(self, target):
        assert place_of(target) == "closed"
        assert place_of("/index.php/user/login") == "page"


FORM = "application/x-www-form-urlencoded"


class TestGrants:
    @pytest.mark.parametrize(
        "body", [b"grant_type=password", b"grant%5ftype=password", b"grant.type=password", b"grant+type=password",
                 b"grant[type=password", b"grant_type=authorization_code&grant.type=password"]
    )  # fmt: skip
    def test_a_password_grant_is_seen_in_every_spelling(self, body):
        assert not grants_asked(body, content_type=FORM) <= GRANTS

    @pytest.mark.parametrize(
        "body", [b"grant_type=refresh_token&refresh_token=x", b"grant_type=authorization_code&code=x"]
    )
    def test_grants_from_a_proven_session_pass(self, body):
        asked = grants_asked(body, content_type=f"{FORM}; charset=utf-8")

        assert asked
        assert asked <= GRANTS

    @pytest.mark.parametrize(
        ("body", "kind"), [(b"{}", "application/json"), (b"\xff", FORM), (b"x", "multipart/form-data"), (b"", FORM)]
    )
    def test_what_cannot_be_read_asks_for_nothing_that_is_allowed(self, body, kind):
        assert grants_asked(body, content_type=kind) == frozenset()


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("/node/1", "/node/1"),
        ("https://www.example.org/node/1?a=b#c", "/node/1?a=b#c"),
        ("https://www.example.org.evil.test/", "/user/login"),
        ("https://evil.test/", "/user/login"),
        ("//evil.test/", "/user/login"),
        ("/\\evil.test", "/user/login"),
        ("javascript:alert(1)", "/user/login"),
        ("", "/user/login"),
        ("/a\r\nX: y", "/user/login"),
    ],
)
def test_a_login_lands_on_this_site_only(location, shown):
    assert landing(location, target="/user/login", origin="https://www.example.org") == shown


def test_a_landing_is_never_another_host():
    assert landing("", target="//evil.test", origin="https://www.example.org") == "/"


def test_who_gets_a_page():
    assert wants_page("text/html,application/xhtml+xml", is_ajax=False)
    assert not wants_page("text/html", is_ajax=True)
    assert not wants_page("application/json", is_ajax=False)
    assert not wants_page("*/*", is_ajax=False)
