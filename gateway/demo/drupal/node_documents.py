"""A node as core's rest module and JSON:API show it, and what JSON:API does with nodes."""

from http import HTTPStatus
from typing import Any

from aiohttp import web

from gateway.demo.drupal import passwords
from gateway.demo.drupal.routing import denied, is_administrator
from gateway.demo.drupal.signing_in import decoded
from gateway.demo.drupal.site import Node
from gateway.demo.drupal.visit import JSON_API, RefusedError, Visit

Document = dict[str, Any]


def as_rest(node: Node) -> Document:
    values = {"nid": node.nid, "uuid": node.uuid, "title": node.title, "body": node.body}
    return {name: [{"value": value}] for name, value in values.items()}


def as_json_api(node: Node, base_url: str) -> Document:
    attributes = {"drupal_internal__nid": node.nid, "title": node.title, "body": {"value": node.body}}
    href = f"{base_url}/jsonapi/node/{node.type}/{node.uuid}"
    return {"type": f"node--{node.type}", "id": node.uuid, "links": {"self": {"href": href}}, "attributes": attributes}


async def answer(visit: Visit) -> web.Response:
    """Answer below /jsonapi/node/{type}."""
    bundle, *rest = visit.segments[2:]
    nodes = [node for node in visit.site.nodes.values() if node.type == bundle]
    if rest:
        return await _individual(visit, [node for node in nodes if node.uuid == rest[0]])
    if visit.method == "POST":
        return await _create(visit, bundle)
    return _document(visit, [as_json_api(node, visit.origin.base_url) for node in nodes])


async def _individual(visit: Visit, found: list[Node]) -> web.Response:
    if not found:
        raise RefusedError(HTTPStatus.NOT_FOUND, 'The "entity" parameter was not converted for the path.')
    node = found[0]
    if visit.method == "PATCH":
        passwords.check_csrf(visit)
        if not (is_administrator(visit) or (visit.account is not None and visit.account.uid == node.uid)):
            raise denied(visit)
        attributes = _attributes(decoded(await visit.request.read()))
        node.title = attributes.get("title", node.title)
    return _document(visit, as_json_api(node, visit.origin.base_url))


async def _create(visit: Visit, bundle: str) -> web.Response:
    """Create a node, for any user who is logged in."""
    passwords.check_csrf(visit)
    if visit.account is None:
        raise denied(visit)
    title = _attributes(decoded(await visit.request.read())).get("title", "")
    nid = 1 + max(visit.site.nodes, default=0)
    node = visit.site.nodes[nid] = Node(nid=nid, uid=visit.account.uid, title=title, body="", type=bundle)
    return _document(visit, as_json_api(node, visit.origin.base_url), HTTPStatus.CREATED)


def _attributes(document: object) -> Document:
    data = document.get("data") if isinstance(document, dict) else None
    attributes = data.get("attributes") if isinstance(data, dict) else None
    return attributes if isinstance(attributes, dict) else {}


def _document(visit: Visit, data: object, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    document = {"jsonapi": visit.json_api_version, "data": data, "links": {"self": {"href": visit.url}}}
    return visit.json(document, status, JSON_API)
