"""Pages about content: front page, nodes and their edit forms, comments, search, contact, feed.

Status, access and formats are measured, Drupal 10.6/11.4; what the pages say is only enough to see that they work.
"""

from html import escape
from http import HTTPStatus

from aiohttp import web

from gateway.demo.drupal import markup, node_documents, passwords
from gateway.demo.drupal.login_form import submitted
from gateway.demo.drupal.routing import POST_ONLY, READS, READS_AND_POST, Handler, denied, is_administrator, only, page
from gateway.demo.drupal.site import Node
from gateway.demo.drupal.visit import ONLY_HTML, RefusedError, Visit


def find(visit: Visit) -> Handler | None:  # noqa: PLR0911 - one per page
    """Return the handler of a page about content, if the path is one of a module that is on."""
    match visit.segments:
        case ["node"] if visit.site.has("node", "views"):
            return _list_or_create(visit)
        case ["node", nid] if visit.site.has("node") and nid.isdecimal():
            return _node(visit)
        case ["node", nid, "edit"] if visit.site.has("node") and nid.isdecimal():
            return only(visit, READS_AND_POST, edit)
        case ["comment", "reply", "node", _, "comment"] if visit.site.has("comment"):
            return page(visit, comment)
        case ["search", "node"] if visit.site.has("search"):
            return page(visit, search)
        case ["contact"] if visit.site.has("contact"):
            return page(visit, contact)
        case ["rss.xml"] if visit.site.has("views"):
            return only(visit, READS_AND_POST, feed)
        case ["entity", "user"] if visit.site.has("rest"):
            return only(visit, POST_ONLY, create_by_rest)
        case _:
            return None


def _list_or_create(visit: Visit) -> Handler:
    """Return the handler of /node: the list of a site with views, and rest's resource, which takes POST."""
    if visit.method == "POST" and visit.site.has("rest"):
        if visit.format == "json":
            return create_by_rest
        if not visit.site.has("views"):
            passwords.check_content_type(visit)
    return page(visit, front) if visit.site.has("views") else only(visit, POST_ONLY, create_by_rest)


def _node(visit: Visit) -> Handler:
    """Return the handler of a node; 404 without it, 405 for methods that it does not take."""
    if visit.format == "json" and visit.method in READS and visit.site.has("rest"):
        return read_by_rest
    return only(visit, READS_AND_POST, show)


async def front(visit: Visit) -> web.Response:
    nodes = [f'<h2><a href="/node/{node.nid}">{escape(node.title)}</a></h2>' for node in visit.site.nodes.values()]
    return visit.html("Welcome", "\n".join(nodes))


async def show(visit: Visit) -> web.Response:
    """Show a node with its comments.

    Measured: on 11.4 a POST for an AJAX answer fails, 500, where no form of the page handles it.
    """
    node = _find(visit)
    if visit.format != "html":
        raise RefusedError(HTTPStatus.NOT_ACCEPTABLE, ONLY_HTML)
    is_ajax = visit.query.get("_wrapper_format") == "drupal_ajax" and visit.method == "POST"
    status = HTTPStatus.INTERNAL_SERVER_ERROR if is_ajax and visit.site.options.major == "11" else HTTPStatus.OK
    comments = "".join(f"<article>{escape(text)}</article>\n" for text in node.comments)
    form = markup.COMMENT.format(nid=node.nid) if visit.site.has("comment") else ""
    return visit.html(node.title, f"<article>{escape(node.body)}</article>\n{comments}{form}", status)


async def read_by_rest(visit: Visit) -> web.Response:
    return visit.json(node_documents.as_rest(_find(visit)))


async def create_by_rest(visit: Visit) -> web.Response:
    """Refuse to create an entity: 401 without credentials, 403 for a user without the permission (measured)."""
    raise denied(visit)


async def edit(visit: Visit) -> web.Response:
    """Show or save the form of a node, for its author and for administrators."""
    node = _find(visit)
    if visit.session is None or not (is_administrator(visit) or (visit.account and visit.account.uid == node.uid)):
        raise RefusedError(HTTPStatus.FORBIDDEN, "")
    fields, token = await visit.form(), visit.session.rest_token
    if fields.get("form_id") == f"node_{node.type}_edit_form" and fields.get("form_token") == token:
        node.title = fields.get("title[0][value]", node.title)
        node.body = fields.get("body[0][value]", node.body)
        visit.add_message(f"{node.title} has been updated.")
        return submitted(visit, f"{visit.origin.base_url}/node/{node.nid}")
    form = {"nid": node.nid, "type": node.type, "title": escape(node.title), "body": escape(node.body)}
    content = markup.NODE_FORM.format(**form, token=token, build_id=f"form-{token}")
    return visit.html(f"Edit {node.title}", content)


async def comment(visit: Visit) -> web.Response:
    """Add a comment, also of an anonymous visitor."""
    node, fields = _find(visit, at=3), await visit.form()
    text = fields.get("comment_body[0][value]", "")
    if fields.get("form_id") != "comment_comment_form" or not text:
        return visit.html("Add new comment", markup.COMMENT.format(nid=node.nid))
    node.comments.append(text)
    visit.add_message("Your comment has been posted.")
    return submitted(visit, f"{visit.origin.base_url}/node/{node.nid}#comment-{len(node.comments)}")


async def search(visit: Visit) -> web.Response:
    keys = visit.query.get("keys", "")
    found = [node for node in visit.site.nodes.values() if keys and keys.lower() in f"{node.title} {node.body}".lower()]
    items = "".join(f'<li><a href="/node/{node.nid}">{escape(node.title)}</a></li>' for node in found)
    return visit.html(f"Search for {keys}", f"<ol>{items}</ol>")


async def contact(visit: Visit) -> web.Response:
    return visit.html("Website feedback", "<form></form>")


async def feed(visit: Visit) -> web.Response:
    """Answer with the feed, which has no blocks."""
    return visit.answer_with(
        '<?xml version="1.0" encoding="utf-8"?>\n<rss version="2.0"></rss>\n', "application/rss+xml"
    )


def _find(visit: Visit, at: int = 1) -> Node:
    node = visit.site.nodes.get(int(visit.segments[at]))
    if node is None:
        raise RefusedError(HTTPStatus.NOT_FOUND, 'The "node" parameter was not converted for the path.')
    return node


TAKE_BASIC: tuple[Handler, ...] = (read_by_rest, create_by_rest)
