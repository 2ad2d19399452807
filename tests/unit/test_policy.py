"""Who needs a code: every combination of what policy looks at, as one table; and what configuration may say."""

from fnmatch import fnmatchcase
from ipaddress import ip_network
from itertools import product

import pytest

from gateway.auth_types import AUTHENTICATOR, RECOVERY_CODE
from gateway.configuration import ConfigurationError, load
from gateway.errors import GatewayError, PolicyUnreadable
from gateway.policy.options import PolicyOptions
from gateway.policy.rules import Decision, Policy, Reason

OFFICE = (ip_network("192.0.2.0/24"), ip_network("2001:db8:7::/48"))
ADDRESSES = {"in": "192.0.2.7", "out": "198.51.100.7"}
# plain and watch have no rule on roles.
POLICIES = {
    "plain": Policy(exempt_networks=OFFICE),
    "all": Policy(exempt_networks=OFFICE, exempt_roles=frozenset({"kiosk"})),
    "roles": Policy(
        require="roles", roles=frozenset({"pilot"}), exempt_roles=frozenset({"kiosk"}), exempt_networks=OFFICE
    ),
    "watch": Policy(require="observe", exempt_networks=OFFICE),
    "observe": Policy(require="observe", exempt_roles=frozenset({"kiosk"}), exempt_networks=OFFICE),
}
ROLES = {
    "hidden": None,
    "none": {"authenticated"},
    "pilot": {"authenticated", "pilot"},
    "kiosk": {"authenticated", "kiosk"},
    "both": {"authenticated", "pilot", "kiosk"},
}
REACHABLE = {
    "no": (),
    "mail": ("EMAIL",),
    "two": ("EMAIL", "SMS"),
    "app": (AUTHENTICATOR, "EMAIL", RECOVERY_CODE),
}
ASKED = {"-": None, "EMAIL": "EMAIL", "SMS": "SMS", "APP": AUTHENTICATOR}
TWO_WORDS = 2

# The first row that fits a combination tells what becomes of it: an exemption, a method, or an error. `watch` and
# `observe` tell who would fail beside.
TABLE = """
policy   network  roles   remembered  enrolled  asked   → becomes

*        in       *       *           *         -       → network
*        out      *       yes         *         -       → remembered

watch    out      *       no          no        -       → observe no_destination
watch    out      *       no          *         -       → observe
observe  out      hidden  no          *         -       → observe policy_unreadable
observe  out      kiosk   no          *         -       → role
observe  out      both    no          *         -       → role
observe  out      *       no          no        -       → observe no_destination
observe  out      *       no          *         -       → observe

plain    out      *       no          no        -       → no_destination
plain    out      *       no          app       -       → GOOGLE AUTHENTICATOR
plain    out      *       no          *         -       → EMAIL
all      out      hidden  no          *         -       → policy_unreadable
all      out      kiosk   no          *         -       → role
all      out      both    no          *         -       → role
all      out      *       no          no        -       → no_destination
all      out      *       no          app       -       → GOOGLE AUTHENTICATOR
all      out      *       no          *         -       → EMAIL
roles    out      hidden  no          *         -       → policy_unreadable
roles    out      none    no          *         -       → role
roles    out      kiosk   no          *         -       → role
roles    out      both    no          *         -       → role
roles    out      pilot   no          no        -       → no_destination
roles    out      pilot   no          app       -       → GOOGLE AUTHENTICATOR
roles    out      pilot   no          *         -       → EMAIL

watch    *        *       *           no        *       → observe no_destination
watch    *        *       *           [ma]*     SMS     → observe not_enrolled
observe  *        *       *           no        *       → observe no_destination
observe  *        *       *           [ma]*     SMS     → observe not_enrolled
watch    *        *       *           [mt]*     APP     → observe not_enrolled
observe  *        *       *           [mt]*     APP     → observe not_enrolled
*        *        *       *           no        *       → no_destination
*        *        *       *           [ma]*     SMS     → not_enrolled
*        *        *       *           [mt]*     APP     → not_enrolled
*        *        *       *           app       APP     → GOOGLE AUTHENTICATOR
*        *        *       *           *         EMAIL   → EMAIL
*        *        *       *           two       SMS     → SMS
"""
ROWS = [line.split(" → ") for line in TABLE.strip().splitlines()[1:] if line]


def fits(row, combination):
    # `-` and words hold nothing that fnmatch would read as more than itself.
    return all(fnmatchcase(word, pattern) for word, pattern in zip(combination, row[0].split(), strict=True))


COMBINATIONS = list(product(POLICIES, ADDRESSES, ROLES, ("yes", "no"), REACHABLE, ASKED))


def decided(policy, network, roles, remembered, enrolled, asked):
    try:
        decision = POLICIES[policy].decide(
            address=ADDRESSES[network],
            roles=ROLES[roles],
            remembered=remembered == "yes",
            reachable=REACHABLE[enrolled],
            asked=ASKED[asked],
        )
    except GatewayError as error:
        return error.word
    return f"{decision.exempt or decision.method} {decision.would_fail}".strip()


@pytest.mark.parametrize("combination", COMBINATIONS, ids=" ".join)
def test_what_becomes_of_a_login_is_as_the_table_says(combination):
    row = next(row for row in ROWS if fits(row, combination))

    assert decided(*combination) == row[1].strip()


def test_no_row_of_the_table_is_idle():
    used = [next(row for row in ROWS if fits(row, combination)) for combination in COMBINATIONS]

    assert [row for row in ROWS if row not in used] == []


def test_a_code_is_never_left_out_where_no_rule_says_so():
    """Without exemptions, whatever Drupal shows or a frontend sends, there is a method or an error."""
    strict = Policy()
    for roles, enrolled, asked in product(ROLES, REACHABLE, ASKED):
        try:
            decision = strict.decide(
                address="192.0.2.7",
                roles=ROLES[roles],
                remembered=False,
                reachable=REACHABLE[enrolled],
                asked=ASKED[asked],
            )
        except GatewayError:
            continue
        assert decision.exempt is None
        assert decision.method in REACHABLE[enrolled]


# --- Networks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["192.0.2.0", "192.0.2.255", "2001:db8:7::1", "2001:db8:7:ffff::1"])
def test_an_address_in_an_exempt_network_is_exempt(address):
    assert POLICIES["plain"].exempts_network(address)


@pytest.mark.parametrize("address", ["192.0.3.0", "191.0.2.7", "2001:db8:8::1", "::1", "127.0.0.1", "::c000:207"])
def test_an_address_beside_it_is_not(address):
    assert not POLICIES["plain"].exempts_network(address)


def test_a_proxys_own_address_is_no_visitors_and_never_exempt():
    policy = Policy(exempt_networks=(ip_network("10.0.0.0/8"),), proxies=(ip_network("10.0.0.12/32"),))

    assert policy.exempts_network("10.1.2.3")
    assert not policy.exempts_network("10.0.0.12")


# --- Methods ---------------------------------------------------------------------------------------------------------

BY_ROLE = Policy(
    methods=("SMS", "EMAIL"),
    by_role=(("administrator", ("SMS",)), ("editor", ("WHATSAPP", "EMAIL"))),
)
ALL = ("EMAIL", "SMS", "PHONE VERIFICATION", "WHATSAPP")


def methods(roles, reachable=ALL, asked=None, policy=BY_ROLE):
    return policy.decide(address="192.0.2.7", roles=roles, remembered=False, reachable=reachable, asked=asked).methods


def test_the_first_role_that_fits_says_which_methods_and_in_which_order():
    assert methods({"editor"}) == ("WHATSAPP", "EMAIL")
    assert methods({"editor", "administrator"}) == ("SMS",)
    assert methods({"authenticated"}) == ("SMS", "EMAIL")


def test_methods_that_do_not_reach_the_account_are_passed_over():
    assert methods({"editor"}, reachable=("EMAIL", "SMS")) == ("EMAIL",)
    with pytest.raises(GatewayError) as refused:
        methods({"administrator"}, reachable=("EMAIL",))
    assert refused.value.word == "no_destination"


def test_who_asks_for_a_method_that_his_role_may_not_use_is_refused():
    with pytest.raises(GatewayError) as refused:
        methods({"administrator"}, asked="EMAIL")

    assert refused.value.word == "not_enrolled"


def test_methods_by_role_need_roles_that_can_be_read():
    for asked in (None, "SMS"):
        with pytest.raises(PolicyUnreadable):
            methods(None, asked=asked)


def test_where_policy_names_no_methods_all_that_reach_the_account_may_be_used_in_their_order():
    assert methods(None, reachable=("SMS", "EMAIL"), policy=Policy()) == ("SMS", "EMAIL")


# --- Configuration ---------------------------------------------------------------------------------------------------

ENOUGH = {"HEADGATE_API_KEY": "a-key"}


def problems_of(text, tmp_path):
    path = tmp_path / "gateway.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as refused:
        load(path, ENOUGH)
    return dict(refused.value.problems)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("policy: {require: roles}", "policy.roles"),
        ("policy: {require: some}", "policy.require"),
        ("policy: {roles: [editor]}", "policy.roles"),
        ("policy: {require: roles, roles: [editor], exempt_roles: [editor]}", "policy.exempt_roles"),
        ("policy: {exempt_roles: [authenticated]}", "policy.exempt_roles.0"),
        ("policy: {exempt_roles: [Site editor]}", "policy.exempt_roles.0"),
        ("policy: {exempt_networks: [0.0.0.0/0]}", "policy.exempt_networks.0"),
        ("policy: {exempt_networks: ['::/0']}", "policy.exempt_networks.0"),
        ("policy: {exempt_networks: [192.0.2.7/24]}", "policy.exempt_networks.0"),
        ("policy: {exempt_networks: ['::ffff:192.0.2.0/120']}", "policy.exempt_networks.0"),
        ("policy: {methods: [MAIL]}", "policy.methods"),
        ("policy: {methods: [EMAIL, EMAIL]}", "policy.methods"),
        ("policy: {methods: [EMAIL, SMS]}", "policy.methods"),
        ("policy: {methods: [SMS]}\nchannels: {sms: {kind: console}}", "method"),
        ("policy: {by_role: [{role: editor, methods: [SMS]}]}", "policy.by_role"),
        ("policy: {by_role: [{role: editor, methods: []}]}", "policy.by_role.0.methods"),
        ("policy: {by_role: [{role: e, methods: [EMAIL]}, {role: e, methods: [EMAIL]}]}", "policy.by_role"),
        ("policy: {remember: {days: -1}}", "policy.remember.days"),
        ("policy: {remember: {days: 30, devices: 0}}", "policy.remember.devices"),
        ("policy: {remembered: {days: 30}}", "policy.remembered"),
        ("method: user choice", "policy.methods"),
        ("method: USER CHOICE", "method"),
    ],
)
def test_what_makes_no_sense_is_refused_at_start_by_its_key(text, key, tmp_path):
    assert list(problems_of(text, tmp_path)) == [key]


def test_what_is_not_said_asks_everybody_for_a_code():
    assert PolicyOptions().policy(proxies=()) == Policy()
    assert not PolicyOptions().remember.days


def test_user_choice_takes_what_policy_puts_first(tmp_path):
    path = tmp_path / "gateway.yaml"
    path.write_text("method: user choice\nchannels: {sms: {kind: console}}\npolicy: {methods: [SMS, EMAIL]}")

    assert load(path, ENOUGH).policy.methods == ("SMS", "EMAIL")


def test_reasons_are_the_words_of_events():
    assert set(Reason) == {"network", "remembered", "role", "observe"}
    assert Decision(exempt=Reason.ROLE).exempt == "role"
