"""The list of endpoints: each one's events have the names that the documentation promises."""

import pytest
from structlog.testing import capture_logs

from gateway.errors import DrupalMaintenance, DrupalUnavailable, NotEnrolled, WrongOtp
from gateway.web.headless import log_events
from gateway.web.headless.routes import ENDPOINTS
from gateway.web.http.endpoint_events import EndpointEvents
from gateway.web.http.middleware import log_refusal
from gateway.web.site.log_events import CHALLENGE

TABLES = {endpoint.name: endpoint.events for endpoint in ENDPOINTS} | {"headless": log_events.HEADLESS}
TABLES_OF_PAGES = {"challenge": CHALLENGE}


@pytest.mark.parametrize("name", TABLES | TABLES_OF_PAGES)
def test_an_event_is_named_by_its_endpoint_and_the_word_of_its_error(name):
    table = (TABLES | TABLES_OF_PAGES)[name]

    assert (table.ok, table.client_gone, table.internal) == (f"{name}.ok", f"{name}.client_gone", f"{name}.internal")
    assert table.refused == {kind: f"{name}.{kind.word}" for kind in table.refused}


def test_every_endpoint_is_served_under_its_own_name():
    assert [table for table in vars(log_events).values() if isinstance(table, EndpointEvents)] == list(TABLES.values())
    assert {endpoint.path for endpoint in ENDPOINTS} == {
        "/headless/authenticate",
        "/headless/login",
        "/headless/resend",
        "/headless/status",
        "/headless/cancel",
        "/headless/logout",
        "/headless/totp/enroll",
        "/headless/totp/confirm",
        "/headless/totp/remove",
        "/headless/recovery-codes",
    }


STATUS = EndpointEvents(
    ok="status.ok",
    client_gone="status.client_gone",
    internal="status.internal",
    refused={DrupalUnavailable: "status.drupal_unavailable"},
)


def test_a_child_is_logged_like_its_parent():
    assert STATUS.refusal(DrupalMaintenance()) == "status.drupal_unavailable"


def test_an_error_that_the_endpoint_does_not_name_is_logged_as_a_bug():
    with capture_logs() as logged:
        log_refusal(STATUS, NotEnrolled("no_authenticator"), {"address": "192.0.2.7"})

    (event,) = logged
    assert (event["event"], event["log_level"], event["error"]) == ("status.internal", "error", "NotEnrolled")


def test_a_wrong_code_is_logged_with_the_attempts_that_are_left():
    with capture_logs() as logged:
        log_refusal(TABLES["login"], WrongOtp(attempts_left=2), {"address": "192.0.2.7"})

    assert logged == [
        {"event": "login.wrong_otp", "log_level": "info", "address": "192.0.2.7", "reason": "", "attempts_left": 2}
    ]
