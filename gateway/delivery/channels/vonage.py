"""Text messages by Vonage, which says 200 also to what it refuses, and why in the body.

The library's plugin looks no further than that 200. So it reads the URL only, and the message is posted from here.
"""

import re
from http import HTTPStatus
from typing import TYPE_CHECKING

import requests

from gateway.errors import Delayed, DeliveryError, Undeliverable
from gateway.texts.sms_length import is_gsm_7

if TYPE_CHECKING:
    from apprise.plugins.vonage import NotifyVonage

TAKEN = "0"
# Throttled, internal error, too many connections; what the others name would be refused again.
NOT_NOW = frozenset({"1", "5", "10"})
IS_STATUS = re.compile(r"[0-9]{1,3}")


def send(service: "NotifyVonage", plain: str) -> bool:
    """Blocks. Whether *plain* was taken by HTTP; raises the DeliveryError for what the body refuses."""
    try:
        answer = requests.post(
            service.notify_url,
            data=_form(service, plain),
            headers={"User-Agent": service.app_id},
            verify=service.verify_certificate,
            timeout=service.request_timeout,
            allow_redirects=False,
        )
    except requests.RequestException:
        return False
    if answer.status_code != HTTPStatus.OK:
        return False
    problem = _problem(_statuses(answer))
    if problem is not None:
        raise problem
    return True


def _form(service: "NotifyVonage", plain: str) -> dict[str, str]:
    (to,) = service.targets
    return {
        "api_key": service.apikey,
        "api_secret": service.secret,
        "from": service.source,
        "to": to,
        "text": plain,
        "ttl": str(service.ttl),
        # Left to itself it takes GSM-7, and what is not in there does not arrive.
        "type": "text" if is_gsm_7(plain) else "unicode",
    }


def _statuses(answer: requests.Response) -> list[str]:
    """One for each part of the message; none where the body is not Vonage's."""
    try:
        return [str(part["status"]) for part in answer.json()["messages"]]
    except (ValueError, LookupError, TypeError, RecursionError):
        return []


def _problem(statuses: list[str]) -> DeliveryError | None:
    """Why the message did not go out whole: a part that never will weighs more than one that may."""
    refused = [status for status in statuses if status != TAKEN]
    if statuses and not refused:
        return None
    final = next((status for status in refused if status not in NOT_NOW), None)
    if refused and final is None:
        return Delayed(f"vonage_{refused[0]}")
    return Undeliverable(f"vonage_{final}" if final and IS_STATUS.fullmatch(final) else "refused")
