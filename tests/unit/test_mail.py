from dataclasses import replace
from datetime import UTC, datetime
from email import policy
from email.parser import BytesParser
from email.utils import parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.delivery.addresses import one_address
from gateway.delivery.channels.mail import MailWriter, Sender
from gateway.interfaces import Text
from gateway.texts.messages import TextOptions, Texts, Values, one_line

NOW = 1_700_000_000.0
SENDER = "Example <no-reply@example.org>"
PLAIN = Text(subject="Your code", plain="Your code is: 012345\n", html="<p>Your code is: 012345</p>\n")
HOSTILE = [
    "mallory\r\nBcc: victim@example.test\r\n\r\n<h1>hello</h1>",
    "<b>bold</b>",
    "{{7*7}}",
    "\u202etxt.exe",
    "x" * 254,
    "🔑" * 254,
    "Jürgen",
    "\ud800",
    "--=_headgate--",
    ".",
]


def written(text=PLAIN, *, to="alice@example.test", id="m1", sender=SENDER):
    return MailWriter(Sender(sender)).write(one_address(to), text, id=id, now=NOW)


def parsed(*args, **kwargs):
    mail = BytesParser(policy=policy.default).parsebytes(written(*args, **kwargs))
    assert not mail.defects
    return mail


def body(mail, kind):
    return mail.get_body((kind,)).get_content().replace("\r\n", "\n")


def test_a_parsed_mail_holds_what_was_written():
    mail = parsed()

    assert mail.keys() == [
        "From",
        "Auto-Submitted",
        "MIME-Version",
        "To",
        "Date",
        "Message-ID",
        "Subject",
        "Content-Type",
    ]
    assert mail["From"] == SENDER
    assert mail["To"] == "alice@example.test"
    assert mail["Subject"] == "Your code"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"] == "<m1@example.org>"
    assert parsedate_to_datetime(mail["Date"]).replace(tzinfo=UTC) == datetime.fromtimestamp(NOW, UTC)
    assert mail.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    assert [part.get_content_charset() for part in mail.iter_parts()] == ["utf-8", "utf-8"]
    assert body(mail, "plain") == PLAIN.plain
    assert body(mail, "html") == PLAIN.html


def test_every_try_of_one_message_has_the_same_message_id():
    assert parsed(id="m7")["Message-ID"] == parsed(id="m7")["Message-ID"] != parsed(id="m8")["Message-ID"]


@pytest.mark.parametrize("id", ["a b", "a>\r\nBcc: x@example.test", "é", "", "x" * 1000])
def test_an_id_that_a_header_can_not_hold_is_replaced_by_one_that_it_can(id):
    mail = parsed(id=id)

    assert mail["Message-ID"] == parsed(id=id)["Message-ID"]
    assert mail["Bcc"] is None


@pytest.mark.parametrize(
    "subject", ["Your code\r\nBcc: x@example.test", "Ihr Code für Größe", "🔑" * 90, "=?utf-8?q?x?=", ""]
)
def test_a_subject_is_one_header(subject):
    mail = parsed(replace(PLAIN, subject=subject))

    assert mail["Subject"] == " ".join(subject.split())
    assert mail["Bcc"] is None


@pytest.mark.parametrize(
    "sender",
    [
        "no-reply@example.org",
        "Example <no-reply@example.org>",
        '"Example, Inc." <no-reply@example.org>',
        "Größe GmbH <no-reply@example.org>",
        "Größe, GmbH <no-reply@example.org>",
    ],
)
def test_the_sender_is_one_address_with_its_name(sender):
    address = parsed(sender=sender)["From"].addresses[0]

    assert (address.username, address.domain) == ("no-reply", "example.org")
    assert address.display_name == sender.partition("<")[0].strip(' "').removesuffix("no-reply@example.org")


@pytest.mark.parametrize("plain", ["012345", "012345\n", ""])
@pytest.mark.parametrize("html", ["", "<p>012345</p>"])
def test_every_mail_ends_with_a_whole_line(plain, html):
    assert written(replace(PLAIN, plain=plain, html=html)).endswith(b"\r\n")


def test_a_text_without_html_is_one_part():
    mail = parsed(replace(PLAIN, html=""))

    assert mail.get_content_type() == "text/plain"
    assert body(mail, "plain") == PLAIN.plain


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_breaks_neither_header_nor_part(name):
    text = Texts(TextOptions(site="Größe")).render("code", "en", Values(username=name, code="012345", asked_at=NOW))
    mail = parsed(text)

    assert mail["Bcc"] is None
    assert mail["To"] == "alice@example.test"
    assert one_line(name) in body(mail, "plain")
    assert "012345" not in mail["Subject"]
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\r"), max_size=3000))
def test_every_body_is_seven_bit_with_short_lines_and_reads_the_same(text):
    raw = written(Text(subject=text, plain=text, html=f"<p>x</p>{text}"))
    mail = BytesParser(policy=policy.default).parsebytes(raw)

    assert raw.isascii()
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert body(mail, "plain") == text


@pytest.mark.parametrize(
    "line", ["--=_headgate--", "--=_headgate", ".", "..", "From me", "\0", "x" * 2000, "x \t", "=20"]
)
def test_a_line_that_has_a_meaning_in_mails_is_read_back_unchanged(line):
    text = replace(PLAIN, plain=f"{line}\nYour code is: 012345\n{line}\n", html=f"{line}\n<p>012345</p>\n{line}")
    mail = parsed(text)

    assert body(mail, "plain") == text.plain
    assert body(mail, "html") == text.html


def test_no_code_is_broken_over_lines():
    raw = written(Texts(TextOptions()).render("code", "en", Values(username="Jürgen", code="012345", asked_at=NOW)))

    assert b"Your code is: 012345\r\n" in raw
