"""What a visitor sees while Drupal does not answer: a small page, or JSON for a program."""

from base64 import b64encode
from hashlib import sha256
from html import escape

from aiohttp import web

from gateway.errors import GatewayError, Unavailable
from gateway.language_choice import Language, msgid
from gateway.web.http.responses import answer, whole_seconds
from gateway.web.http.statuses import status_of

TITLE = msgid("This site can't be reached right now.")
ADVICE = msgid("Please try again in a moment.")
RETRY_SECONDS = 5
STYLE = (
    "body{margin:0;display:grid;min-height:100vh;place-items:center;font:1.125rem/1.5 system-ui,sans-serif;"
    "color:#1c1c1c;background:#fff}main{padding:1.5rem;max-width:32rem}h1{font-size:1.5rem;line-height:1.25}"
    "@media(prefers-color-scheme:dark){body{color:#eee;background:#161616}}"
)
STYLE_HASH = b64encode(sha256(STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def away(request: web.Request, error: GatewayError, language: Language) -> web.Response:
    """Answer that Drupal is away, as HTML or as JSON."""
    wait = whole_seconds(error.retry_after) if isinstance(error, Unavailable) else RETRY_SECONDS
    headers = {"Retry-After": str(max(1, wait))}
    status = status_of(type(error))
    if wants_json(request.headers.get("Accept", "")):
        message = f"{language.say(TITLE)} {language.say(ADVICE)}"
        body = {"status": "ERROR", "message": message, "code": error.word}
        return answer(body, language=language, status=status, headers=headers)
    return web.Response(
        text=page(language),
        status=status,
        content_type="text/html",
        charset="utf-8",
        headers={
            **headers,
            "X-Answered-By": "headgate",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
            "Content-Language": language.tag,
            "Content-Security-Policy": POLICY,
        },
    )


def wants_json(accept: str) -> bool:
    """Whether a client asks for JSON, and not for HTML."""
    accept = accept.lower()
    return "json" in accept and "html" not in accept


def page(language: Language) -> str:
    title, advice = escape(language.say(TITLE)), escape(language.say(ADVICE))
    return (
        f'<!doctype html>\n<html lang="{escape(language.tag)}" dir="{language.direction}">\n<head>\n'
        f'<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width">\n<title>{title}</title>\n<style>{STYLE}</style>\n'
        f"</head>\n<body>\n<main>\n<h1>{title}</h1>\n<p>{advice}</p>\n</main>\n</body>\n</html>\n"
    )
