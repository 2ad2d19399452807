"""A shop's cart: a POST of an anonymous visitor that opens an anonymous session."""

from html import escape

from aiohttp import web

from gateway.demo.drupal import markup
from gateway.demo.drupal.login_form import submitted
from gateway.demo.drupal.routing import Handler, page
from gateway.demo.drupal.visit import Visit


def find(visit: Visit) -> Handler | None:
    """Return the handler of the cart's pages, if the module is on."""
    if not visit.site.has("cart"):
        return None
    match visit.segments:
        case ["cart"]:
            return page(visit, show)
        case ["cart", "add"]:
            return page(visit, add)
        case _:
            return None


async def show(visit: Visit) -> web.Response:
    items = "".join(f"<li>{escape(product)}</li>" for product in visit.recall("cart") or ())
    return visit.html("Shopping cart", f"<ul>{items}</ul>{markup.CART}")


async def add(visit: Visit) -> web.Response:
    """Put a product into the cart, which the session keeps."""
    fields = await visit.form()
    product = fields.get("product", "")
    if fields.get("form_id") != "cart_add" or not product:
        return visit.html("Add to cart", markup.CART)
    visit.remember("cart", [*(visit.recall("cart") or []), product])
    visit.add_message(f"{product} added to your cart.")
    return submitted(visit, f"{visit.origin.base_url}/cart")
