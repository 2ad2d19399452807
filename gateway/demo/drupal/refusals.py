"""The answers to requests that fail before Drupal has looked for a route (measured, Drupal 10.6 and 11.4)."""

from http import HTTPStatus

from aiohttp import web

from gateway.demo.drupal.origin import ConflictingHeadersError, RefusedEarlyError
from gateway.demo.drupal.visit import ALWAYS, UNEXPECTED, UNEXPECTED_REASON, php_json


def early_refusal(request: web.Request, refused: RefusedEarlyError, version: str) -> web.Response:
    """Answer a request that fails before Drupal has started (measured, Drupal 10.6 and 11.4)."""
    headers = {**ALWAYS, "Cache-Control": "no-cache, private"}
    charset = "UTF-8" if version == "10" else "utf-8"
    if isinstance(refused, ConflictingHeadersError) and "_format=json" in request.raw_path:
        headers = {**ALWAYS, "Content-Type": "application/json"}
        return web.Response(
            status=refused.status, body=php_json({"message": refused.message}).encode(), headers=headers
        )
    if refused.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        return unexpected(headers)
    headers["Content-Type"] = f"text/plain; charset={charset}"
    return web.Response(status=refused.status, body=refused.message.encode(), headers=headers)


def unexpected(headers: dict[str, str]) -> web.Response:
    """Return the page of an error that Drupal itself could not handle."""
    headers["Content-Type"] = "text/html; charset=UTF-8"
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    return web.Response(status=status, reason=UNEXPECTED_REASON, body=f"{UNEXPECTED}<br />".encode(), headers=headers)
