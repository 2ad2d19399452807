"""What an HTTP status of somebody who should send a message means for it."""

from http import HTTPStatus

from gateway.errors import Delayed, DeliveryError, Undeliverable

# RFC 9110 and 6585: these of the 4xx say "not now"; the others, that the same will be refused again.
NOT_NOW = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
FOR_GOOD = range(400, 500)


def delivery_error(status: int) -> DeliveryError:
    """The error to raise for *status*, which was no success; its reason is the number alone."""
    kind = Undeliverable if status in FOR_GOOD and status not in NOT_NOW else Delayed
    return kind(f"http_{status}")
