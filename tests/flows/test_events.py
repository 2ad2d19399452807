"""The audit trail: a run of the flows emits every documented event, with the fields that stand there, and no other."""

from typing import Any

from gateway.auth_types import METHODS
from gateway.web.headless.routes import ENDPOINTS
from tests.flows.apps import APP, RECOVERY
from tests.flows.audit import ASKED, BOUND, OUTCOME, documented
from tests.flows.scenes import SCENES, SECRETS, Stage
from tests.unit.test_docs import text_of

# What no short run can bring about, and the `file::test` that does.
ELSEWHERE: dict[str, str] = {
    "totp_remove.recovery_code_used": (
        "tests/flows/test_totp.py::test_phones_get_lost_so_a_recovery_code_removes_the_app_too_and_an_event_tells"
    ),
}


# The run


def row_name(event: dict[str, Any]) -> str:
    """The name under which the page has it."""
    place, _, word = event["event"].partition(".")
    return f"{OUTCOME}{word}" if place in ENDPOINT_NAMES and f"{OUTCOME}{word}" in ROWS else event["event"]


ROWS = documented()
ENDPOINT_NAMES = {endpoint.name for endpoint in ENDPOINTS} | {"headless", "challenge"}
# Refused before anybody has said who asks, or that it is one of ours.
UNKNOWN_CLIENT = {"malformed", "too_large", "media_type", "api_key", "disabled", "client_gone", "internal", "ok"}
# From here on the account is known: by its name's HMAC, or by its uid.
KNOWN_ACCOUNT = {
    *("credentials", "wrong_otp", "not_enrolled", "no_destination", "too_soon", "account_locked"),
    *("drupal_unavailable", "drupal_busy", "drupal_invalid", "drupal_timeout"),
}

# Only Drupal's answer, or that none came, can be the reason.
ANSWERED_BY_DRUPAL = {"credentials", "no_destination", "drupal_invalid", "drupal_timeout"}


async def test_a_run_of_the_flows_emits_every_documented_event_with_its_fields_and_no_other(
    events, redis_server, monkeypatch, tmp_path
):
    stage = Stage(events=events, redis=redis_server, patch=monkeypatch, tmp_path=tmp_path, secrets=set(SECRETS))
    for scene in SCENES:
        with monkeypatch.context() as patch:
            stage.patch, stage.since = patch, len(events)
            await scene(stage)

    assert {row_name(event) for event in events} == ROWS.keys() - ELSEWHERE.keys()
    for event in events:
        assert_as_documented(event)
    for name, row in ROWS.items():
        seen = {field for event in events if row_name(event) == name for field in event}
        assert name in ELSEWHERE or row.fields <= seen, name
    assert not [secret for secret in stage.secrets if secret in str(events)]


def assert_as_documented(event: dict[str, Any]) -> None:
    name = row_name(event)
    row = ROWS[name]
    assert event["log_level"] in row.levels, event
    if not name.startswith(OUTCOME):
        assert event.keys() - {"event", "log_level", "timestamp"} - BOUND <= row.fields, event
        return
    assert event.keys() - {"event", "log_level", "timestamp"} - BOUND - ASKED <= row.fields, event
    word = name.removeprefix(OUTCOME)
    assert word not in ANSWERED_BY_DRUPAL or 0 <= event["drupal_ms"] <= event["took_ms"], event
    assert event["address"] in {"127.0.0.1", "203.0.113.9"} or event["address"].startswith("198.51.100."), event
    assert len(event["request_id"]) == 16, event
    assert word in UNKNOWN_CLIENT or event["client"] in ("web", "guard"), event
    assert word not in KNOWN_ACCOUNT or "account" in event or "uid" in event, event
    if event["event"] in ("authenticate.ok", "login.ok", "login.wrong_otp", "resend.ok"):
        assert event["method"] in {*METHODS, APP, RECOVERY, "NONE"}, event
        assert event["uid"], event


def test_what_the_run_leaves_out_is_emitted_by_another_test():
    for name, test in ELSEWHERE.items():
        file, _, function = test.partition("::")
        assert name in text_of(file).partition(f"def {function}(")[2].partition("\n\n\n")[0], name
