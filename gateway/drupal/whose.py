"""Asks Drupal whose session a cookie is. Two of its own pages say so (measured, Drupal 10.6 and 11.4).

| question | logged in | anonymous |
|---|---|---|
| GET /user/login_status?_format=json | 200, `1` | 200, `0` |
| GET /user/edit?_format=json | 302 to …/user/UID/edit | 403 |

Every other answer leaves a doubt, and a doubt counts as logged in.
"""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from gateway.drupal.answers import unusable
from gateway.drupal.peer import Peer
from gateway.errors import DrupalInvalid

_OWN_FORM: Final = re.compile(r"(?:[^?#]*)/user/([1-9][0-9]{0,9})/edit(?:[?#].*)?")


async def whose(drupal: Peer, headers: Mapping[str, str]) -> str:
    """Return the uid of the session whose cookie stands in *headers*; empty if it is anonymous.

    Raises DrupalInvalid for any other answer, and as `Peer.ask`.
    """
    status = await drupal.ask("GET", "/user/login_status?_format=json", headers)
    if status.status == HTTPStatus.OK and status.body.strip() == b"0":
        return ""
    if status.status != HTTPStatus.OK or status.body.strip() != b"1":
        raise unusable(status)
    form = await drupal.ask("GET", "/user/edit?_format=json", headers)
    match = _OWN_FORM.fullmatch(form.location) if form.status == HTTPStatus.FOUND else None
    if match is None:
        raise DrupalInvalid("whose")
    return match[1]
