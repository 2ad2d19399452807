"""How the simulated Drupal reads targets, as measured at Drupal 10.6 and 11.4."""

import pytest

from gateway.demo.drupal.origin import RefusedEarlyError
from gateway.demo.drupal.paths import find_alias, fold_case, read_target, without_language

LONG_S, KELVIN, DOTLESS_I = "ſ", "\u212a", "ı"


@pytest.mark.parametrize(
    "target", ["/user/login", "/user/login/", "/user%2Flogin", "/%75ser/login?a=//b", "/user/login#/x"]
)
@pytest.mark.parametrize("version", ["10", "11"])
def test_one_page_has_many_targets(target, version):
    assert read_target(target, version=version).path == "/user/login"


@pytest.mark.parametrize(
    ("target", "on_10", "on_11"),
    [
        ("/index.php/user/login", "/user/login", "/user/login"),
        ("/%69ndex%2Ephp/user/login", "/user/login", "/user/login"),
        ("/index.phpuser/login", "user/login", "/user/login"),
        ("/index.php%2Fuser%2Flogin", "/user/login", "//user/login"),
        ("/INDEX.PHP/user/login", "/INDEX.PHP/user/login", "/INDEX.PHP/user/login"),
        ("/foo/index.php/user", "/foo/index.php/user", "/foo/index.php/user"),
        ("/index.php", "/", "/"),
        ("/%2575ser", "/%75ser", "/%75ser"),
        ("/x/../user", "/x/../user", "/x/../user"),
    ],
)
def test_the_front_controller_is_cut_off_by_the_rules_of_each_version(target, on_10, on_11):
    assert [read_target(target, version=version).path for version in ("10", "11")] == [on_10, on_11]


@pytest.mark.parametrize(
    ("target", "base_path"), [("/index.php/x", ""), ("/%69ndex.php/x", "/%69ndex.php"), ("/x", "")]
)
def test_an_encoded_front_controller_is_part_of_the_cookie_s_name(target, base_path):
    assert read_target(target, version="11").base_path == base_path


@pytest.mark.parametrize(
    ("target", "is_collapsible"), [("//x", True), ("/x//y", True), ("/x%2F%2Fy", False), ("/x?//", False)]
)
def test_only_raw_double_slashes_are_collapsed(target, is_collapsible):
    assert read_target(target, version="11").is_collapsible is is_collapsible


def test_raw_bytes_have_to_be_utf_8():
    with pytest.raises(RefusedEarlyError):
        read_target("/user\udcff", version="11")

    assert read_target("/user%FF", version="11").path == "/user\udcff"


@pytest.mark.parametrize(
    ("text", "folded"),
    [("USER", "user"), (LONG_S, "s"), (KELVIN, "k"), (DOTLESS_I, DOTLESS_I), ("İ", "İ"), ("ß", "ß"), ("Ä", "ä")],
)
def test_letters_are_folded_one_by_one(text, folded):
    assert fold_case(text) == folded


@pytest.mark.parametrize(
    ("path", "inner"),
    [
        ("/de/user", "/user"),
        ("/de", "/"),
        ("/DE/user", "/DE/user"),
        ("/de/de/user", "/de/user"),
        ("/den/user", "/den/user"),
    ],
)
def test_the_prefix_of_a_language_is_cut_off_once_in_its_own_case(path, inner):
    assert without_language(path, ("de",)) == inner


@pytest.mark.parametrize(
    ("path", "found"),
    [("/anmelden", True), ("/ANMELDEN", True), ("/änmelden", True), ("/anmelden ", False), ("/anmelden/x", False)],
)
def test_an_alias_is_found_as_the_database_compares(path, found):
    assert (find_alias(path, {"/anmelden": "/user/login"}) == "/user/login") is found
