"""A site behind the code page, and a browser without scripts that uses it.

`/begin` plays the guard: it logs in at Drupal's own route and leads to the code page. `/landing` shows which session a
browser has.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlencode

import aiohttp
from aiohttp import web
from selectolax.lexbor import LexborHTMLParser

from gateway.account import Caller
from gateway.app import gateway
from gateway.errors import GatewayError
from gateway.login.outcome import Granted
from gateway.process import listening
from gateway.settings import Settings
from gateway.web.headless.app_keys import DRUPAL, FLOW
from gateway.web.http.visitors import visitor_of
from gateway.web.site.code_page import CLIENT, CodePage, add_code_page, error_page
from gateway.web.site.guard import cookies_in
from gateway.web.site.handed_over import HandedOver
from gateway.web.site.own_cookies import Challenge, OwnCookies
from gateway.web.site.sealed_cookies import SealedCookies
from tests.ports import free_port
from tests.world import PASSWORDS, World

PATH = "/headless/challenge"
LANDING = "/landing?from=login"


@dataclass(frozen=True, kw_only=True)
class CodeSite:
    world: World
    url: str
    app: web.Application
    own: OwnCookies
    sealed: SealedCookies

    def session_of(self, browser: "Browser"):
        """The session that the browser holds under our seal; None if it has none."""
        found = [self.sealed.open(*pair) for pair in cookies_in([browser.cookie_header]).sessions]
        return found[0] if found else None


@asynccontextmanager
async def a_code_site(
    world: World, *, site: str = "", folder: Path | None = None, public: str | None = None, **changes: object
) -> AsyncGenerator[CodeSite]:
    """Serve the page on a gateway of *world*; *changes* are of its configuration. *public* is the site's origin."""
    settings = Settings.model_validate(world.configuration(**changes))
    assert not settings.conflicts(), settings.conflicts()
    port, sealer = free_port(), settings.sealer()
    url = f"http://localhost:{port}"
    origin = public or url
    days = settings.policy.remember.days
    own = OwnCookies(sealer, origin=origin, device_days=days)
    sealed = SealedCookies(sealer, origin=origin)
    async with gateway(settings, clock=world.clock) as opened:
        app = opened.headless
        page = CodePage(
            own=own,
            handed=HandedOver(app[FLOW]._policy, sealed, own, clock=world.clock),
            sealed=sealed,
            origin=origin,
            clock=world.clock,
            site=site,
            folder=folder,
            remember_days=days,
        )
        add_code_page(app, page)
        add_site(app, own)
        world.opened.append(opened)
        async with listening(app, "127.0.0.1", port, seconds=2):
            yield CodeSite(world=world, url=url, app=app, own=own, sealed=sealed)


def add_site(app: web.Application, own: OwnCookies) -> None:
    async def begin(request: web.Request) -> web.Response:
        name = request.query.get("name", "alice")
        visitor = visitor_of(request)
        session = await request.app[DRUPAL].authenticate(
            name=name, password=PASSWORDS[name], visitor=visitor, late=None
        )
        device = own.device_in(cookies_in(request.headers.getall("Cookie", [])).own)
        caller = Caller(client=CLIENT, visitor=visitor)
        try:
            outcome = await request.app[FLOW].challenge(session, caller=caller, remember_token=device)
        except GatewayError as error:
            return error_page(request, error)
        if isinstance(outcome, Granted):
            await request.app[FLOW].delivered(outcome)
            return web.Response(text=str(outcome.exempt), headers={"X-Answered-By": "test"})
        waiting = Challenge(
            id=outcome.id,
            username=outcome.username,
            auth_type=outcome.auth_type,
            methods=outcome.methods,
            destination=outcome.destination,
            landing=request.query.get("landing", LANDING),
        )
        headers = {"Location": PATH, "Set-Cookie": own.challenge_line(waiting), "X-Answered-By": "test"}
        return web.Response(status=303, headers=headers)

    async def landing(request: web.Request) -> web.Response:
        html = f"<!doctype html><title>The site</title><h1>The site</h1><p>{request.headers.get('Sec-Fetch-Site')}</p>"
        return web.Response(text=html, content_type="text/html", headers={"X-Answered-By": "test"})

    async def away(request: web.Request) -> web.Response:
        elsewhere = f"http://127.0.0.1:{request.url.port}/landing?from=elsewhere"
        return web.Response(status=302, headers={"Location": elsewhere, "X-Answered-By": "test"})

    app.router.add_get("/begin", begin)
    app.router.add_get("/oauth/authorize", away)
    app.router.add_get("/away", away)
    app.router.add_get("/landing", landing)
    app.router.add_get("/user/login", landing)
    app.router.add_get("/", landing)


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What a browser shows."""

    status: int
    path: str
    headers: Mapping[str, str]
    cookies: list[str]
    html: str = field(repr=False)

    def text(self, selector: str = "body") -> str:
        node = LexborHTMLParser(self.html).css_first(selector)
        return " ".join(node.text(separator=" ").split()) if node else ""

    def attribute(self, selector: str, name: str) -> str | None:
        node = LexborHTMLParser(self.html).css_first(selector)
        return node.attributes.get(name) if node else None

    @property
    def title(self) -> str:
        return self.text("title")

    @property
    def alert(self) -> str:
        return self.text("[role=alert]")

    def fields(self, form: str) -> dict[str, str]:
        """The hidden fields of a form."""
        found = LexborHTMLParser(self.html).css(f"#{form} input[type=hidden]")
        return {str(node.attributes["name"]): str(node.attributes["value"]) for node in found}


class Browser:
    """Keeps cookies and sends forms, as a browser without scripts does."""

    def __init__(self, site: CodeSite, *, language: str = "en") -> None:
        self.site = site
        self.cookies: dict[str, str] = {}
        self.language = language
        self._http = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=True)

    async def close(self) -> None:
        await self._http.close()

    @property
    def cookie_header(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())

    async def send(
        self, method: str, path: str, *, body: bytes | None = None, headers: Mapping[str, str | None] | None = None
    ) -> Shown:
        """One request, without following a redirect. A header that is None is left out."""
        sent = {"Cookie": self.cookie_header, "Accept-Language": self.language, **(headers or {})}
        async with self._http.request(
            method,
            self.site.url + path,
            data=body,
            headers={name: value for name, value in sent.items() if value},
            allow_redirects=False,
        ) as response:
            html = await response.text()
            lines = response.headers.getall("Set-Cookie", [])
        for line in lines:
            name, _, rest = line.partition("=")
            if "Max-Age=0" in line:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = rest.partition(";")[0]
        return Shown(status=response.status, path=path, headers=response.headers, cookies=lines, html=html)

    async def open(self, path: str) -> Shown:
        """Go to a page, over every redirect."""
        shown = await self.send("GET", path)
        while shown.status == 303:
            shown = await self.send("GET", shown.headers["Location"])
        return shown

    async def begin(self, name: str = "alice", *, landing: str = LANDING) -> Shown:
        return await self.open("/begin?" + urlencode({"name": name, "landing": landing}))

    async def post(
        self, fields: Mapping[str, str] | bytes, *, headers: Mapping[str, str | None] | None = None
    ) -> Shown:
        """Send a form, without following the redirect."""
        body = fields if isinstance(fields, bytes) else urlencode(fields).encode()
        own = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Origin": self.site.url,
            "Sec-Fetch-Site": "same-origin",
        }
        return await self.send("POST", PATH, body=body, headers={**own, **(headers or {})})

    async def submit(self, shown: Shown, form: str, /, **fields: str) -> Shown:
        """Press a button of a page that is shown, and follow the redirect."""
        answer = await self.post(shown.fields(form) | fields)
        return await self.open(answer.headers["Location"]) if answer.status == 303 else answer

    async def verify(self, shown: Shown, otp: str, /, **fields: str) -> Shown:
        return await self.submit(shown, "code", action="verify", otp=otp, **fields)


def without_one(fields: Mapping[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in fields.items() if key != name}


def with_landing(site: CodeSite, browser: Browser, landing: str) -> None:
    """Have the browser hold a cookie of ours whose landing the guard never writes."""
    waiting = site.own.challenge_in(browser.cookies)
    name, _, rest = site.own.challenge_line(replace(waiting, landing=landing)).partition("=")
    browser.cookies[name] = rest.partition(";")[0]
