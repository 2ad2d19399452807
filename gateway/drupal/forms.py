"""Forms on Drupal's pages, told apart by their `form_id`: a block can put other forms on any page."""

from selectolax.lexbor import LexborHTMLParser, LexborNode

from gateway.drupal.answers import Answer


def forms_of(page: Answer, form_id: str) -> list[LexborNode]:
    """The forms of *page* with the hidden input `form_id`, in their order."""
    html = LexborHTMLParser(page.body.decode(errors="replace"))
    marker = f'input[name="form_id"][value="{form_id}"]'
    return [form for form in html.css("form") if form.css_first(marker) is not None]


def value_of(form: LexborNode, name: str) -> str | None:
    """The value of the input *name* in *form*; None if there is no such input, or several."""
    inputs = form.css(f'input[name="{name}"]')
    return inputs[0].attributes.get("value") or "" if len(inputs) == 1 else None
