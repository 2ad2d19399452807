import asyncio
import io
from contextlib import suppress

import pytest
import structlog
from pydantic import ValidationError

from gateway.delivery.channels import ConsoleOptions, SmtpOptions
from gateway.errors import Delayed, TooLate, Undeliverable
from gateway.interfaces import Text
from tests.contracts.channel_contract import WRITTEN, ChannelContract, written
from tests.smtp_server import Mailbox, certificate, server_tls

NOW = 1_700_000_000.0


@pytest.fixture
async def mailbox():
    async with Mailbox.open() as mailbox:
        yield mailbox


def options_for(mailbox, **options):
    return SmtpOptions(host="127.0.0.1", port=mailbox.port, sender="Example <no-reply@example.org>", **options)


@pytest.fixture
async def channel(mailbox):
    async with options_for(mailbox).open(clock=lambda: NOW) as channel:
        yield channel


class TestSmtp(ChannelContract):
    @pytest.fixture
    def to(self):
        return "alice@example.test"

    @pytest.fixture
    def received(self, mailbox):
        return lambda: [mail.plain for mail in mailbox.mails]


class TestConsole(ChannelContract):
    @pytest.fixture
    def stream(self):
        return io.StringIO()

    @pytest.fixture
    async def channel(self, stream):
        async with ConsoleOptions().open(stream=stream) as channel:
            yield channel

    @pytest.fixture
    def to(self):
        return "alice@example.test"

    @pytest.fixture
    def received(self, stream):
        return lambda: stream.getvalue().split("--- message ")[1:]

    async def test_warns_at_the_start_that_codes_are_readable(self, stream):
        with structlog.testing.capture_logs() as events:
            async with ConsoleOptions().open(stream=stream):
                pass

        assert [(event["event"], event["log_level"]) for event in events] == [("channel.console", "warning")]

    async def test_nothing_that_is_printed_controls_the_terminal(self, channel, stream):
        async def text() -> Text:
            return Text(subject="\x1b[2J", plain="\x1b]0;owned\x07\n\u202etxt")

        await channel.deliver("\x1b[31m@example.test", text, id="m1")

        assert all(line.isprintable() for line in stream.getvalue().splitlines())


class TestWhenTheTextIsAskedFor:
    async def test_only_after_the_server_has_taken_the_recipient(self, mailbox, channel):
        seen = []

        async def text() -> Text:
            seen.extend(mailbox.seen)
            return WRITTEN

        await channel.deliver("alice@example.test", text, id="m1")

        assert seen == ["MAIL", "RCPT"]

    async def test_not_while_the_server_holds_the_recipient(self, mailbox, channel):
        asked = asyncio.Event()

        async def text() -> Text:
            asked.set()
            return WRITTEN

        with mailbox.held("RCPT"):
            delivery = asyncio.create_task(channel.deliver("alice@example.test", text, id="m1"))
            await mailbox.reached("RCPT")
            await asyncio.sleep(0.05)
            asked_while_held = asked.is_set()
        await delivery

        assert not asked_while_held
        assert asked.is_set()

    async def test_a_text_that_is_too_late_leaves_the_connection_open_for_the_next(self, mailbox, channel):
        async def too_late() -> Text:
            raise TooLate("ended")

        with suppress(TooLate):
            await channel.deliver("alice@example.test", too_late, id="m1")
        await channel.deliver("alice@example.test", written, id="m2")

        assert mailbox.seen == ["MAIL", "RCPT", "RSET", "MAIL", "RCPT", "DATA", "TEXT"]
        assert mailbox.connections == 1


class TestWhatArrives:
    async def test_lines_of_dots_arrive_as_they_were(self, mailbox, channel):
        async def text() -> Text:
            return Text(subject="dots", plain=".\na\n.\n..\n.b\n", html="<p>\n.</p>\n.\n")

        await channel.deliver("alice@example.test", text, id="m1")
        await channel.deliver("alice@example.test", written, id="m2")

        assert mailbox.mails[0].plain == ".\na\n.\n..\n.b\n"
        assert mailbox.mails[0].html == "<p>\n.</p>\n.\n"
        assert mailbox.mails[1].plain == WRITTEN.plain

    async def test_the_envelope_and_the_headers_name_the_same_two_addresses(self, mailbox, channel):
        await channel.deliver("alice@example.test", written, id="m1")

        mail = mailbox.mails[0]
        assert (mail.sender, mail.recipients) == ("no-reply@example.org", ("alice@example.test",))
        assert mail.parsed.get_all("From") == ["Example <no-reply@example.org>"]
        assert mail.parsed.get_all("To") == ["alice@example.test"]
        assert mail.parsed["Message-ID"] == "<m1@example.org>"
        assert mail.parsed["Date"].datetime.timestamp() == NOW


class TestConnections:
    async def test_one_is_kept_from_mail_to_mail(self, mailbox, channel):
        for number in range(3):
            await channel.deliver("alice@example.test", written, id=f"m{number}")

        assert (mailbox.connections, len(mailbox.mails)) == (1, 3)

    async def test_one_that_died_while_kept_is_reopened_without_loss(self, mailbox, channel):
        await channel.deliver("alice@example.test", written, id="m1")
        mailbox.reset()

        await channel.deliver("alice@example.test", written, id="m2")
        await asyncio.sleep(0.01)
        mailbox.reset()
        await asyncio.sleep(0.01)
        await channel.deliver("alice@example.test", written, id="m3")

        assert (mailbox.connections, len(mailbox.mails)) == (3, 3)

    async def test_one_that_the_server_ends_at_the_next_mail_is_reopened_without_loss(self, mailbox, channel):
        await channel.deliver("alice@example.test", written, id="m1")
        mailbox.once["MAIL"] = "421 4.4.2 idle for too long"

        await channel.deliver("alice@example.test", written, id="m2")

        assert (mailbox.connections, len(mailbox.mails)) == (2, 2)

    async def test_one_that_answers_no_more_is_reopened_without_loss(self, mailbox):
        async with options_for(mailbox, timeout_seconds=0.2).open() as channel:
            await channel.deliver("alice@example.test", written, id="m1")
            with mailbox.held("MAIL"):
                delivery = asyncio.create_task(channel.deliver("alice@example.test", written, id="m2"))
                await mailbox.reached("MAIL", times=2)
                await asyncio.sleep(0)
            mailbox.reset()
            await delivery

        assert len(mailbox.mails) == 2

    async def test_no_more_are_opened_than_configured(self, mailbox):
        async with options_for(mailbox, connections=2).open() as channel:
            await asyncio.gather(*(channel.deliver("a@example.test", written, id=f"m{n}") for n in range(20)))

        assert mailbox.connections == 2
        assert len(mailbox.mails) == 20

    async def test_one_that_is_idle_too_long_is_closed_with_quit(self, mailbox):
        async with options_for(mailbox, idle_seconds=0.05).open() as channel:
            await channel.deliver("alice@example.test", written, id="m1")
            await mailbox.reached("QUIT")
            await asyncio.sleep(0.02)

            assert not mailbox.open_connections

    async def test_all_are_closed_with_the_channel(self, mailbox):
        async with options_for(mailbox).open() as channel:
            await channel.deliver("alice@example.test", written, id="m1")

        assert mailbox.seen[-1] == "QUIT"

    async def test_a_refused_recipient_costs_no_connection(self, mailbox, channel):
        mailbox.answers["RCPT"] = "550 5.1.1 no such user"
        with suppress(Undeliverable):
            await channel.deliver("nobody@example.test", written, id="m1")
        mailbox.answers.clear()
        await channel.deliver("alice@example.test", written, id="m2")

        assert (mailbox.connections, len(mailbox.mails)) == (1, 1)


class TestRefusals:
    @pytest.mark.parametrize(
        ("stage", "word"), [("MAIL", "sender"), ("RCPT", "recipient"), ("DATA", "text"), ("TEXT", "text")]
    )
    async def test_a_5xx_is_final_and_a_4xx_is_not(self, mailbox, channel, stage, word):
        mailbox.answers[stage] = "550 5.7.1 alice@example.test is a secret"
        with pytest.raises(Undeliverable) as final:
            await channel.deliver("alice@example.test", written, id="m1")
        mailbox.answers[stage] = "451 4.7.1 alice@example.test is a secret"
        with pytest.raises(Delayed) as delayed:
            await channel.deliver("alice@example.test", written, id="m1")

        assert (final.value.reason, delayed.value.reason) == (f"{word}_550", f"{word}_451")
        assert mailbox.mails == []

    async def test_nobody_listening_is_worth_another_try(self, mailbox, channel):
        await mailbox.stop()

        with pytest.raises(Delayed) as delayed:
            await channel.deliver("alice@example.test", written, id="m1")

        assert delayed.value.reason == "connect"

    async def test_a_connection_lost_after_the_text_is_worth_another_try(self, mailbox, channel):
        mailbox.drops_after_text = True

        with pytest.raises(Delayed) as delayed:
            await channel.deliver("alice@example.test", written, id="m1")

        assert delayed.value.reason == "lost"

    async def test_a_server_that_speaks_something_else_is_worth_another_try(self):
        async def http(reader, writer):
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(http, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with SmtpOptions(port=port).open() as channel:
                with pytest.raises(Delayed) as delayed:
                    await channel.deliver("alice@example.test", written, id="m1")

        assert delayed.value.reason == "connect"

    async def test_a_server_that_is_silent_is_given_up(self, mailbox):
        async with options_for(mailbox, timeout_seconds=0.1).open() as channel:
            with mailbox.held("RCPT"), pytest.raises(Delayed) as delayed:
                await channel.deliver("alice@example.test", written, id="m1")

        assert delayed.value.reason == "timeout"

    async def test_an_exchange_that_is_cut_is_reset_and_not_taken_up_again(self, mailbox, channel):
        await channel.deliver("alice@example.test", written, id="m1")
        mailbox.seconds_per_byte = 0.1
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await channel.deliver("alice@example.test", written, id="m2")
        mailbox.seconds_per_byte = 0
        await asyncio.sleep(0.05)
        assert not mailbox.open_connections
        await channel.deliver("alice@example.test", written, id="m3")

        assert (mailbox.connections, len(mailbox.mails)) == (2, 2)


class TestAddressees:
    @pytest.mark.parametrize(
        "to",
        [
            "alice@example.test\r\nRCPT TO:<mallory@example.test>",
            "alice@example.test, mallory@example.test",
            "Alice <alice@example.test>",
            '"alice"@example.test',
            "alice(comment)@example.test",
            "alice@[127.0.0.1]",
            "",
        ],
    )
    async def test_what_is_not_one_address_is_refused_before_the_server_is_asked(self, mailbox, channel, to):
        with pytest.raises(Undeliverable):
            await channel.deliver(to, written, id="m1")

        assert (mailbox.connections, mailbox.mails) == (0, [])

    async def test_a_domain_of_any_script_is_sent_to_as_ascii(self, mailbox, channel):
        await channel.deliver("alice@BÜCHER.example", written, id="m1")

        assert mailbox.mails[0].recipients == ("alice@xn--bcher-kva.example",)
        assert mailbox.mails[0].parsed["To"] == "alice@xn--bcher-kva.example"

    async def test_a_local_part_of_any_script_is_sent_to_where_the_server_can(self, mailbox, channel):
        await channel.deliver("jürgen@example.test", written, id="m1")

        assert mailbox.mails[0].recipients == ("jürgen@example.test",)
        assert "SMTPUTF8" in mailbox.mails[0].options
        assert "\r\nTo: jürgen@example.test\r\n".encode() in mailbox.mails[0].content

    async def test_a_local_part_of_any_script_is_undeliverable_where_it_cannot(self):
        async with Mailbox.open(smtputf8=False) as mailbox, options_for(mailbox).open() as channel:
            with pytest.raises(Undeliverable) as final:
                await channel.deliver("jürgen@example.test", written, id="m1")
            await channel.deliver("alice@example.test", written, id="m2")
            with pytest.raises(Undeliverable):
                await channel.deliver("jürgen@example.test", written, id="m1")

        assert final.value.reason == "no_smtputf8"
        assert (mailbox.connections, len(mailbox.mails)) == (1, 1)


class TestSecurity:
    @pytest.fixture
    def pem(self, tmp_path):
        return certificate(tmp_path)

    @pytest.mark.parametrize("security", ["starttls", "tls"])
    async def test_a_mail_goes_over_tls_with_a_login(self, pem, security):
        login = ("headgate", "mail-pass-ü")
        async with Mailbox.open(tls=server_tls(pem), security=security, login=login) as mailbox:
            options = options_for(mailbox, security=security, username=login[0], password=login[1], ca_file=pem)
            async with options.open() as channel:
                await channel.deliver("alice@example.test", written, id="m1")

        assert len(mailbox.mails) == 1

    @pytest.mark.parametrize("security", ["starttls", "tls"])
    async def test_a_certificate_of_an_unknown_authority_is_not_believed(self, pem, security):
        async with (
            Mailbox.open(tls=server_tls(pem), security=security) as mailbox,
            options_for(mailbox, security=security).open() as channel,
        ):
            with pytest.raises(Delayed) as delayed:
                await channel.deliver("alice@example.test", written, id="m1")

        assert delayed.value.reason == "tls"
        assert mailbox.mails == []

    async def test_nothing_is_sent_in_clear_when_the_server_offers_no_tls(self, mailbox):
        async with options_for(mailbox, security="starttls").open() as channel:
            with pytest.raises(Delayed) as delayed:
                await channel.deliver("alice@example.test", written, id="m1")

        assert delayed.value.reason == "tls"
        assert "MAIL" not in mailbox.seen

    async def test_a_refused_login_is_worth_another_try_and_tells_no_password(self):
        async with (
            Mailbox.open(login=("headgate", "right")) as mailbox,
            options_for(mailbox, username="headgate", password="wrong-pass").open() as channel,
        ):
            with pytest.raises(Delayed) as delayed:
                await channel.deliver("alice@example.test", written, id="m1")

        assert delayed.value.reason == "auth"
        assert "wrong-pass" not in str(delayed.value)


class TestOptions:
    @pytest.mark.parametrize(
        "wrong",
        [
            {"sender": "a@example.org, b@example.org"},
            {"sender": "Example <no-reply@example.org>\r\nBcc: mallory@example.test"},
            {"sender": "no address"},
            {"sender": "jürgen@example.org"},
            {"port": 0},
            {"host": "mail host"},
            {"username": "headgate"},
            {"password": "secret"},
            {"ca_file": "/nowhere/at/all.pem"},
            {"local_hostname": "a b"},
            {"security": "ssl"},
        ],
    )
    def test_a_wrong_one_is_refused_without_being_echoed(self, wrong):
        with pytest.raises(ValidationError) as refused:
            SmtpOptions(**wrong)

        assert all(str(value) not in str(refused.value) for value in wrong.values() if value not in (0, "headgate"))

    def test_a_password_is_never_shown(self):
        assert "secret-1" not in repr(SmtpOptions(username="headgate", password="secret-1"))
