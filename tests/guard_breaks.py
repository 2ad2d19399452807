"""The breaks of the guard: one for each row of the two tables in docs/guard.md."""

from dataclasses import dataclass

# In place of a promise's number.
GUARD = 0


@dataclass(frozen=True, kw_only=True)
class Break:
    """*old* stands in *function* exactly once; with *new* instead, *test* must fail."""

    promise: int
    says: str
    function: str
    old: str
    new: str
    test: str


GUARD_BREAKS = (
    Break(
        promise=GUARD,
        says="a proven session is not passed on",
        function="gateway.web.site.gatekeeper.Gatekeeper._opened",
        old="return next((session for session in opened if session is not None), None)",
        new="return None",
        test="tests/guard/test_challenge.py::test_the_form_of_drupal_leads_to_the_code_page_and_then_to_its_destination",
    ),
    Break(
        promise=GUARD,
        says="an exemption holds for ever",
        function="gateway.policy.check.PolicyCheck.still_exempts",
        old="return reason != Reason.NETWORK or self._policy.exempts_network(vouched(visitor))",
        new="return True",
        test="tests/guard/test_sessions.py::TestPolicyAsksForNoCode::test_in_an_exempt_network_the_session_acts_and_leaving_the_network_ends_it",
    ),
    Break(
        promise=GUARD,
        says="an anonymous session is never asked about again",
        function="gateway.web.site.anonymous.Anonymous.knows",
        old="self._until.get(_digest(id), 0.0) > now",
        new="True",
        test="tests/guard/test_visitors.py::TestACart::test_drupal_is_asked_at_its_birth_at_its_first_use_and_then_once_a_minute",
    ),
    Break(
        promise=GUARD,
        says="a user's session acts without our seal",
        function="gateway.web.site.gatekeeper.Gatekeeper._asked_about",
        old="if not await self._is_anonymous(value, request):",
        new="if False:",
        test="tests/guard/test_challenge.py::test_not_even_where_the_site_asks_about_such_sessions",
    ),
    Break(
        promise=GUARD,
        says="a session without our seal is asked about unasked",
        function="gateway.web.site.gatekeeper.Gatekeeper._asked_about",
        old='self._options.unsealed == "drop"',
        new="False",
        test="tests/guard/test_visitors.py::TestACart::test_one_without_our_seal_is_lost_unless_drupal_may_be_asked",
    ),
    Break(
        promise=GUARD,
        says="Basic reaches Drupal",
        function="gateway.web.site.guard.without_credentials",
        old='if lower == "authorization" and not (bearer and _is_bearer(value)):',
        new="if False:",
        test="tests/guard/test_tokens.py::test_basic_never_reaches_drupal",
    ),
    Break(
        promise=GUARD,
        says="PHP's own headers of Basic reach Drupal",
        function="gateway.web.site.guard.without_credentials",
        old="elif _AS_PHP_AUTH.fullmatch(name):",
        new="elif False:",
        test="tests/guard/test_tokens.py::test_basic_never_reaches_drupal",
    ),
    Break(
        promise=GUARD,
        says="a header changes the method",
        function="gateway.web.site.forwarding.kind_of",
        old="lower in METHODS",
        new="False",
        test="tests/unit/test_forwarding.py::test_a_request_loses_it_in_any_spelling",
    ),
    Break(
        promise=GUARD,
        says="closed files are open",
        function="gateway.web.site.gatekeeper.Gatekeeper.admit",
        old='place == "closed"',
        new="False",
        test="tests/guard/test_visitors.py::TestCron::test_it_is_closed_for_everybody",
    ),
    Break(
        promise=GUARD,
        says="a password is enough for a token",
        function="gateway.web.site.gatekeeper.Gatekeeper._token_body",
        old="if not asked or not asked <= GRANTS:",
        new="if False:",
        test="tests/guard/test_tokens.py::test_no_token_for_anything_but_a_session",
    ),
    Break(
        promise=GUARD,
        says="a birth passes as it is",
        function="gateway.web.site.gatekeeper.Gatekeeper.judge",
        old="if not births:",
        new="if True:",
        test="tests/guard/test_challenge.py::test_the_form_of_drupal_leads_to_the_code_page_and_then_to_its_destination",
    ),
    Break(
        promise=GUARD,
        says="an anonymous session is sealed as proven",
        function="gateway.web.site.births.Births.decide",
        old="SealedSession(kind=Kind.ANONYMOUS)",
        new="SealedSession(kind=Kind.PROVEN)",
        test="tests/guard/test_visitors.py::TestACart::test_drupal_is_asked_at_its_birth_at_its_first_use_and_then_once_a_minute",
    ),
    Break(
        promise=GUARD,
        says="a dead session and a password make a proven one",
        function="gateway.web.site.gatekeeper.Gatekeeper._born",
        old="proven = admitted.session if admitted.is_alive else None",
        new="proven = admitted.session",
        test="tests/guard/test_sessions.py::TestAPasswordIsChanged::test_a_dead_session_and_a_password_make_no_proven_one",
    ),
    Break(
        promise=GUARD,
        says="an exemption is sealed as a proof",
        function="gateway.web.site.handed_over.HandedOver.session_lines",
        old="if granted.exempt and granted.exempt != Reason.REMEMBERED:",
        new="if False:",
        test="tests/guard/test_sessions.py::TestPolicyAsksForNoCode::test_in_an_exempt_network_the_session_acts_and_leaving_the_network_ends_it",
    ),
    Break(
        promise=GUARD,
        says="a blocked login is challenged",
        function="gateway.web.site.births.Births._challenge",
        old="if not self._challenges:",
        new="if False:",
        test="tests/guard/test_sessions.py::test_blocked_logins_are_refused_and_ended",
    ),
    Break(
        promise=GUARD,
        says="a session of which nobody knows is released",
        function="gateway.web.site.births.Births._whose",
        old='raise DrupalUnavailable("whose")',
        new='return ""',
        test="tests/guard/test_births_that_fail.py::test_drupal_that_does_not_say_whose_it_is",
    ),
    Break(
        promise=GUARD,
        says="a session under another name is released",
        function="gateway.web.site.births.Births._whose",
        old="if birth.name != self._drupal.cookie_name:",
        new="if False:",
        test="tests/guard/test_births_that_fail.py::TestASiteWhoseCookieHasAnotherName::test_its_logins_are_refused_and_ended_until_the_name_is_configured",
    ),
)
