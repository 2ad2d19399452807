import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.delivery.addresses import one_address
from gateway.errors import Undeliverable


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("alice@example.test", "alice@example.test"),
        ("Alice.O'Neil+tag@Example.TEST", "Alice.O'Neil+tag@example.test"),
        ("a@b", "a@b"),
        ("root@localhost", "root@localhost"),
        ("alice@bücher.example", "alice@xn--bcher-kva.example"),
        ("alice@BÜCHER.example", "alice@xn--bcher-kva.example"),
        ("alice@xn--bcher-kva.example", "alice@xn--bcher-kva.example"),
        ("alice@例え.jp", "alice@xn--r8jz45g.jp"),
        ("alice@faß.de", "alice@xn--fa-hia.de"),
        ("alice@ｅxample.test", "alice@example.test"),
        # UTS 46 knows it as ignored.
        ("alice@\u200bexample.test", "alice@example.test"),
        ("jürgen@example.test", "jürgen@example.test"),
        ("用户@例え.jp", "用户@xn--r8jz45g.jp"),
        ("a" * 64 + "@example.test", "a" * 64 + "@example.test"),
    ],
)
def test_one_address_is_taken_with_its_domain_in_ascii(text, spec):
    assert one_address(text).spec == spec


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@",
        "alice",
        "alice@",
        "@example.test",
        " alice@example.test",
        "alice@example.test ",
        "alice@example.test\n",
        "alice@example.test\r\nBcc: mallory@example.test",
        "alice\r\n@example.test",
        "alice@exa\0mple.test",
        "alice@example.test, mallory@example.test",
        "alice@example.test;mallory@example.test",
        "alice@example.test mallory@example.test",
        "alice,mallory@example.test",
        "alice@mallory@example.test",
        "Alice <alice@example.test>",
        "<alice@example.test>",
        "alice(comment)@example.test",
        "alice@example.test(comment)",
        '"alice"@example.test',
        '"a@b, c"@example.test',
        r"al\ice@example.test",
        "group: alice@example.test;",
        ".alice@example.test",
        "alice.@example.test",
        "al..ice@example.test",
        "alice@.example.test",
        "alice@example.test.",
        "alice@example..test",
        "alice@-example.test",
        "alice@exam_ple.test",
        "alice@[127.0.0.1]",
        "alice@[IPv6:::1]",
        "alice@xn--",
        "alice@xn--a",
        "ali\u200bce@example.test",
        "ali\u202ece@example.test",
        "ali\ud800ce@example.test",
        "alice@ex\ud800mple.test",
        "ali＠ce@example.test",
        "ali\u00a0ce@example.test",
        "a" * 65 + "@example.test",
        "a@" + "b" * 64 + ".test",
        "a@" + "b." * 130 + "test",
        "ü" * 130 + "@example.test",
    ],
)
def test_a_text_that_is_not_one_address_is_refused(text):
    with pytest.raises(Undeliverable) as refused:
        one_address(text)

    assert refused.value.reason == "address"


def test_an_address_does_not_show_in_a_traceback():
    assert "alice" not in repr(one_address("alice@example.test"))


@given(st.text() | st.emails() | st.from_regex(r"[^@]{1,20}@[^@]{1,20}"))
@example("a@b\u3002c")
@example("a@\u00ad")
@example("a@b\uff0ec\uff0c d")
def test_every_text_is_one_address_or_refused(text):
    try:
        address = one_address(text)
    except Undeliverable:
        return

    spec = address.spec
    assert spec.count("@") == 1
    assert not any(letter.isspace() or not letter.isprintable() or letter in '<>()[],;:\\"' for letter in spec)
    assert address.domain.isascii()
    assert len(spec.encode()) <= 254
