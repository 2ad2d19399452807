"""One small break per promise, each of which must turn a test red: `make break`.

Every break is applied to a copy of the tree, its test is run there, and a test that stays green is a test that proves
nothing. A break names its function by its import path, so that it survives whatever moves around it.
"""

import ast
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.guard_breaks import GUARD, GUARD_BREAKS, Break

ROOT = Path(__file__).resolve().parent.parent
COPIED = ("gateway", "tests", "config", "pyproject.toml")
AT_ONCE = 2
DEFINED = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


class Misfit(Exception):
    """A break does not fit the code."""


BREAKS = (
    Break(
        promise=1,
        says="a code wins again and again",
        function="gateway.transaction.Transaction.demand_open",
        old="if self.state is not State.OPEN:\n            raise",
        new="if self.state is State.ENDED:\n            raise",
        test="tests/flows/test_login.py::test_of_fifty_right_answers_at_once_exactly_one_wins",
    ),
    Break(
        promise=2,
        says="a wrong code costs nothing",
        function="gateway.transaction.Transaction.count",
        old="return replace(self, attempts_left=self.attempts_left - 1)",
        new="return self",
        test="tests/flows/test_login.py::test_of_fifty_wrong_answers_at_once_exactly_as_many_are_compared_as_there_are_attempts",
    ),
    Break(
        promise=2,
        says="an older version of a login is believed",
        function="gateway.store.redis.newest.NewestVersions.has_newer",
        old="version < newest[0]",
        new="version < 0",
        test="tests/flows/test_rolled_back.py::test_an_older_value_that_was_put_back_gives_no_further_comparison",
    ),
    Break(
        promise=2,
        says="a mailed code is proof enough to replace an app",
        function="gateway.enrolment.flow.needs_current",
        old="grant.method not in ENROLLED",
        new="not grant.method",
        test="tests/flows/test_replacing_an_app.py::test_a_login_by_mail_replaces_no_app_and_makes_no_recovery_codes",
    ),
    Break(
        promise=2,
        says="the networks of one subscriber are counted apart",
        function="gateway.networks.wider_networks_of",
        old="if not isinstance(parsed, IPv6Address):\n        return ()",
        new="return ()",
        test="tests/flows/test_guessing_one_name.py::TestNetworksOfOneSubscriber::test_by_default_256_networks_give_a_name_four_times_the_guesses_of_one",
    ),
    Break(
        promise=3,
        says="the reaper forgets instead of logging out",
        function="gateway.login.reaper.Reaper._settle",
        old="            await self._drupal.log_out(session)\n",
        new="",
        test="tests/flows/test_login.py::test_the_reaper_ends_what_nobody_finished",
    ),
    Break(
        promise=3,
        says="a firewall's refusal counts as a log-out",
        function="gateway.drupal.logout.is_drupals_own",
        old='isinstance(refusal.json().get("message"), str)',
        new="True",
        test="tests/flows/test_cancel.py::TestAFirewallInFrontOfDrupal::test_its_refusal_does_not_count_as_logged_out",
    ),
    Break(
        promise=4,
        says="another name may use the transaction",
        function="gateway.transaction.Transaction.demand_bound",
        old="same = hmac.compare_digest(self.username.encode(), username.encode())",
        new="same = True",
        test="tests/flows/test_login.py::test_whoever_did_not_open_it_gets_the_bytes_of_an_unknown_one",
    ),
    Break(
        promise=4,
        says="a fallback binds the login to another authType",
        function="gateway.login.fallback.Fallback._send.change",
        old="return replace(pending, messages=ids)",
        new="return replace(pending, messages=ids, auth_type=method)",
        test="tests/flows/test_channels.py::TestFallback::test_the_login_stays_bound_to_the_authtype_that_was_told",
    ),
    Break(
        promise=4,
        says="the code page takes the form of another login",
        function="gateway.web.site.code_form.demand_token",
        old="if not hmac.compare_digest(form.token.encode(), token.encode()):",
        new="if False:",
        test="tests/code_page/test_code_page_hostile.py::test_the_form_of_another_login_is_refused",
    ),
    Break(
        promise=4,
        says="the code page takes a form of another site",
        function="gateway.web.site.code_form.demand_own_page",
        old='if request.headers.getall("Origin", [origin]) != [origin]:',
        new="if False:",
        test="tests/code_page/test_code_page_hostile.py::test_a_form_of_another_page_is_refused_and_costs_no_attempt",
    ),
    Break(
        promise=4,
        says="the code page hands out Drupal's own session id",
        function="gateway.web.site.handed_over.HandedOver.sealed_line",
        old="return self.relayed(self._sealed.in_line(line, session))",
        new="return line",
        test="tests/code_page/test_code_page.py::test_a_right_code_leads_to_the_page_that_the_login_was_for",
    ),
    Break(
        promise=5,
        says="names and addresses stand in Redis as they are",
        function="gateway.flood.limits.Limits._limit",
        old='key = f"{name}:{self._index(name, *counted)}"',
        new="key = f\"{name}:{':'.join(counted)}\"",
        test="tests/chaos/test_secrets.py::test_a_dump_and_the_logs_show_nothing_and_give_nothing_to_who_tries_everything",
    ),
    Break(
        promise=6,
        says="the name stands in the log",
        function="gateway.web.http.middleware.outcome",
        old="log.info(events.ok, **common())",
        new='log.info(events.ok, **common(), username=request.get(ECHO, {}).get("username"))',
        test="tests/chaos/test_secrets.py::test_a_dump_and_the_logs_show_nothing_and_give_nothing_to_who_tries_everything",
    ),
    Break(
        promise=6,
        says="the libraries of the providers log numbers",
        function="gateway.delivery.channels.apprise._silence_libraries",
        old="logging.getLogger(name).propagate = False",
        new="logging.getLogger(name).propagate = True",
        test="tests/contracts/test_phone_channels.py::TestAppriseWhenRefused::test_no_log_line_holds_number_text_or_key",
    ),
    Break(
        promise=7,
        says="without its store nothing is counted and Drupal is asked all the same",
        function="gateway.flood.gate.Floodgate._reserve",
        old="        taken = await self._counters.take(limits, now=now)\n        if taken.refused:",
        new="        try:\n            taken = await self._counters.take(limits, now=now)\n        except StoreUnavailable:\n"
        "            return Reserved(limits=tuple(limits), counts=(0, 0), at=now)\n        if taken.refused:",
        test="tests/flows/test_store_down.py::test_a_wrong_password_reads_no_other_than_a_right_one_while_the_store_is_away",
    ),
    Break(
        promise=8,
        says="a code is sent for a login that is over",
        function="gateway.delivery.writer.Writer._open_transaction",
        old="            transaction.demand_open(now=self._clock())\n",
        new="",
        test="tests/contracts/courier/test_sending.py::test_a_code_whose_transaction_closed_while_the_server_held_the_recipient_is_not_sent",
    ),
    Break(
        promise=9,
        says="a resend brings another code",
        function="gateway.factors.code.Code.challenge",
        old="digits=self.options.digits).at(0)",
        new="digits=self.options.digits).at(secrets.randbelow(10**6))",
        test="tests/flows/test_resend.py::test_a_resend_repeats_the_code",
    ),
    Break(
        promise=10,
        says="forwarding headers are read from the left",
        function="gateway.web.http.client_ip.from_xff",
        old='return [hop for header in reversed(headers) for hop in reversed(header.split(","))]',
        new='return [hop for header in headers for hop in header.split(",")]',
        test="tests/flows/test_addresses.py::test_from_a_trusted_proxy_the_nearest_untrusted_hop_is_the_visitor",
    ),
    Break(
        promise=11,
        says="a refusal is answered as soon as it is known",
        function="gateway.login.flow.LoginFlow._log_in",
        old="            await self._refusal_timing.wait(since=began)\n",
        new="",
        test="tests/flows/test_alike.py::test_no_refusal_can_be_told_from_another_by_its_time",
    ),
    Break(
        promise=11,
        says="one network may have many wrong passwords at Drupal at once",
        function="gateway.login.turns.turns_at",
        old="in_flight = min(IN_FLIGHT, quarter)",
        new="in_flight = quarter",
        test="tests/flows/test_alike.py::TestASmallSite::test_several_tries_at_once_do_not_tell_whether_their_name_exists",
    ),
    Break(
        promise=11,
        says="a method that the site does not offer is refused after a right password only",
        function="gateway.login.flow.LoginFlow.authenticate",
        old="        self._demand_offered(auth_type)\n",
        new="",
        test="tests/flows/test_stolen_passwords.py::test_a_method_that_the_site_does_not_offer_is_refused_before_the_password_is_checked",
    ),
    Break(
        promise=12,
        says="a redirect of Drupal's is followed with the password",
        function="gateway.drupal.peer.Peer.ask",
        old="allow_redirects=False",
        new="allow_redirects=True",
        test="tests/flows/test_drupal_faults.py::test_a_redirect_is_502_and_its_target_sees_nothing",
    ),
    Break(
        promise=12,
        says="bytes that came before a request are taken for its answer",
        function="gateway.drupal.connections.StrictConnection.is_connected",
        old="(self.awaits_answer or not self._has_unread())",
        new="True",
        test="tests/flows/test_stray_answers.py::test_bytes_that_come_with_an_answer_are_no_answer_to_the_next_request",
    ),
    Break(
        promise=12,
        says="an answer for another user logs in",
        function="gateway.drupal.session.SessionDrupal._session_of",
        old="if not self._login_by_mail and not",
        new="if False and not",
        test="tests/flows/test_stray_answers.py::test_an_answer_with_another_name_logs_nobody_in_and_its_session_is_ended",
    ),
    Break(
        promise=13,
        says="16,000 nested brackets cause a 500",
        function="gateway.web.http.json_body.parse",
        old="except (ValueError, RecursionError):",
        new="except ValueError:",
        test="tests/flows/test_bad_input.py::test_a_malformed_body_is_400_and_drupal_hears_nothing",
    ),
    Break(
        promise=13,
        says="idle connections keep others out",
        function="gateway.web.http.connection_limit.ConnectionLimit.admit",
        old="not self._close_another(origin, reason)",
        new="True",
        test="tests/flows/test_limits.py::test_idle_connections_from_many_addresses_keep_nobody_out",
    ),
    Break(
        promise=13,
        says="a full queue refuses every new network",
        function="gateway.drupal.bulkhead.Bulkhead._enqueue",
        old="len(self._lines.get(network, ())) + 1",
        new="self._most",
        test="tests/flows/test_bulkhead.py::test_made_up_log_outs_from_four_subscribers_keep_nobody_else_out",
    ),
    Break(
        promise=14,
        says="it stays ready while it goes down",
        function="gateway.process.serve",
        old="        opened.running.stopping = True\n",
        new="",
        test="tests/chaos/test_shutdown.py::test_while_it_drains_it_is_not_ready_and_still_answers_who_comes",
    ),
    Break(
        promise=15,
        says="a value that is wrong is shown",
        function="gateway.configuration.problems.described",
        old="    return key, sentence(error)",
        new='    return key, f"{sentence(error)} ({given})"',
        test="tests/unit/test_settings.py::test_every_problem_is_told_at_once_by_key_and_none_shows_its_value",
    ),
    Break(
        promise=15,
        says="a taken port is a traceback",
        function="gateway.process.bound",
        old="except OSError as error:",
        new="except KeyError as error:",
        test="tests/flows/test_start.py::test_a_taken_port_is_one_line_with_the_key_to_change",
    ),
    Break(
        promise=15,
        says="nothing is said about what is risky",
        function="gateway.process.warn",
        old="for key, why in settings.warnings():",
        new="for key, why in ():",
        test="tests/flows/test_start.py::test_serve_warns_at_start_that_browser_clients_need_a_public_url",
    ),
)


def module_of(function: str, root: Path) -> tuple[Path, str]:
    """The file of the module that *function* is in, and its name there."""
    parts = function.split(".")
    for length in range(len(parts) - 1, 0, -1):
        path = root.joinpath(*parts[:length])
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file.is_file():
                return file, ".".join(parts[length:])
    raise Misfit(f"there is no module of {function}")


def lines_of(name: str, source: str) -> slice:
    """The lines of the function *name*, which is written as in `Class.method` and `function.inner`."""
    found: ast.AST = ast.parse(source)
    for part in name.split("."):
        # ast.walk goes level by level: the outermost one of a name comes first.
        found = next((node for node in ast.walk(found) if isinstance(node, DEFINED) and node.name == part), None)
        if found is None:
            raise Misfit(f"there is no {part} of {name}")
    return slice(found.lineno - 1, found.end_lineno)


def broken(one: Break, root: Path) -> tuple[Path, str]:
    """The file that *one* changes in the tree at *root*, and its new text.

    Raises Misfit unless the function is there, and the text once in it.
    """
    path, name = module_of(one.function, root)
    source = path.read_text(encoding="utf-8")
    lines, where = source.split("\n"), lines_of(name, source)
    function = "\n".join(lines[where])
    if (times := function.count(one.old)) != 1:
        raise Misfit(f"its text is {times} times in {one.function}")
    lines[where] = [function.replace(one.old, one.new)]
    return path, "\n".join(lines)


@contextmanager
def copied() -> Iterator[Path]:
    """A copy of the tree."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, copy / name)
        yield copy


def is_red(one: Break) -> bool:
    """Whether its test fails in a broken copy; an error that is none of the test's own does not count."""
    with copied() as copy:
        path, text = broken(one, copy)
        path.write_text(text, encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", one.test]
        done = subprocess.run(command, cwd=copy, capture_output=True, text=True, timeout=300, check=False)
    return done.returncode == 1 and " failed" in done.stdout


def verdict(one: Break) -> tuple[bool, str]:
    """Whether *one* did what it must, and how to say it."""
    began = time.monotonic()
    try:
        red = is_red(one)
    except Misfit as misfit:
        return False, f"[bold yellow]error: {misfit}[/]"
    said = "[red]red[/], as it must" if red else "[bold yellow]green: the test proves nothing[/]"
    return red, f"{said} ({time.monotonic() - began:.0f} s)"


ALL = (*BREAKS, *GUARD_BREAKS)


def main() -> int:
    table = Table(
        "promise",
        "broken so that",
        "test",
        "",
        title="A break per promise, and per row of the guard's tables",
        title_justify="left",
    )
    console = Console()
    with console.status("breaking every promise"), ThreadPoolExecutor(AT_ONCE) as pool:
        verdicts = list(pool.map(verdict, ALL))
    for one, (_, said) in zip(ALL, verdicts, strict=True):
        table.add_row(
            str(one.promise) if one.promise != GUARD else "guard", one.says, one.test.partition("::")[0], said
        )
    console.print(table)
    passed = sum(red for red, _ in verdicts)
    print(f"{passed} passed, {len(ALL) - passed} failed")
    return 0 if passed == len(ALL) else 1


if __name__ == "__main__":
    sys.exit(main())
