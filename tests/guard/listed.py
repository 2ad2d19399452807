"""The recorded requests of tests/bypasses, sent through the gateway: nobody may act by any of them.

What is looked at, for each request:

- its answer: no id of a user's session in it, sealed or not, and no token;
- each call that it made at Drupal: for nobody, and without the session of a user;
- each session of a user that it opened: it waits for its code or was ended, and is ended when its time is over.
"""

import re
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from urllib.parse import unquote

from yarl import URL

from gateway.demo.drupal.ledger import Session
from gateway.demo.drupal.site import Call, DrupalOptions
from gateway.settings import Settings
from gateway.web.site.sealed_cookies import Kind, SealedCookies, SealedSession
from tests.bypasses.entries import Entry, filled, options, origin, send
from tests.bypasses.outcomes import CODE
from tests.guard.site import GuardedSite, guarded
from tests.world import a_world

# Every request through the gateway has this header. The gateway's own calls have not.
MARK = "X-Listed"
REQUEST_LINE = re.compile(rb"(\A(?:\r?\n)*[^\r\n]*|\r?\n[A-Z]+ [^\r\n]*) HTTP/\d\.\d[ ]*\r?\n")
OWN_CALLS = re.compile(r"/user(?:/[0-9]+|/edit|/login_status)?\?_format=json.*|/user/logout.*|/jsonapi/user/user.*")
SEALED = re.compile(rb"(?im)^set-cookie: (S?SESS[0-9a-f]{32})=(hg1\.[^;\r\n]*)")
OWN_COOKIES = re.compile(rb"(?m)^Set-Cookie: (headgate-[a-z]+)=([^;\r\n]+)")
CHALLENGED = b"\r\nSet-Cookie: headgate-challenge="
# A login's lifetime and every deadline of the reaper's, in seconds.
LONG_AFTER = 7_200.0


@dataclass(kw_only=True)
class ListedSite:
    """A guarded site with the settings that some entries need."""

    site: GuardedSite
    sealed: SealedCookies
    # The sessions that stand in requests, which were not opened through the gateway.
    carried: list[Session] = field(default_factory=list)

    @property
    def host(self) -> str:
        return f"localhost:{self.site.port}"

    async def send(self, entry: Entry) -> "Outcome":
        """Send the request of *entry*, and note what it did."""
        drupal = self.site.world.drupal
        self._forget_former_entries()
        before = len(drupal.ledger.sessions)
        request = marked(filled(entry, drupal, host=self.host))
        carried = drupal.ledger.sessions[before:]
        self.carried += carried
        calls, sessions = len(drupal.calls), len(drupal.ledger.sessions)
        received = await send(self.site.port, request)
        return Outcome(
            entry=entry,
            received=received,
            calls=[call for call in drupal.calls[calls:] if is_a_visitors(call)],
            born=drupal.ledger.sessions[sessions:],
            carried=carried,
        )

    def _forget_former_entries(self) -> None:
        """Undo what would make the next entry fail for a reason of its own."""
        drupal = self.site.world.drupal
        drupal.flood.empty()
        for user in drupal.options.users:
            drupal.accounts.change(user.uid, password=user.password)

    def opened_in(self, received: bytes) -> list[SealedSession]:
        """Return the sessions that stand in an answer under the gateway's seal."""
        found = [(name.decode(), value.decode()) for name, value in SEALED.findall(received)]
        opened = [self.sealed.open(name, value) for name, value in found]
        assert None not in opened
        return [session for session in opened if session is not None]

    def faults_of(self, outcome: "Outcome") -> list[str]:
        """Say by what *outcome* somebody acts."""
        drupal = self.site.world.drupal
        users = [session for session in drupal.ledger.sessions if session.uid]
        text = outcome.received.decode("latin-1")
        faults = ["a plain id" for session in users if session.value in text or unquote(session.value) in text]
        for session in self.opened_in(outcome.received):
            owner = drupal.ledger.by_value(session.id)
            if session.kind is not Kind.ANONYMOUS or owner is None or owner.uid:
                faults.append(f"a sealed session of {session.uid or owner}")
        if b'"access_token"' in outcome.received or CODE.search(outcome.received):
            faults.append("a token")
        for call in outcome.calls:
            if call.acted_uid is not None:
                faults.append(f"{call.method} {call.path} for uid {call.acted_uid}")
            if call.carried is not None and call.carried.uid:
                faults.append(f"{call.method} {call.path} with a user's session")
        return faults

    async def uid_after_the_code(self, outcome: "Outcome", *, mail: int) -> str:
        """Type the code that mail number *mail* brought, in the browser of *outcome*; return who the site then sees."""
        async with self.site.browser() as browser:
            for name, value in OWN_COOKIES.findall(outcome.received):
                browser.jar.update_cookies({name.decode(): value.decode()}, response_url=URL(self.site.url))
            landed = await browser.send_code(await self.site.world.code(mail))
            assert landed.status == HTTPStatus.SEE_OTHER, landed.text
            return await browser.uid()

    async def end_everything(self) -> None:
        """Let the time of every login pass, and wait until none of their sessions is alive."""
        world = self.site.world
        await world.answers_handed_over()
        world.clock.ahead += LONG_AFTER
        await world.eventually(lambda: not self.alive(), seconds=30)

    def alive(self) -> list[Session]:
        """Return the sessions of users that are alive, but those that the requests carried."""
        carried = {id(session) for session in self.carried}
        return [session for session in self.site.world.drupal.ledger.alive() if id(session) not in carried]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a request did."""

    entry: Entry
    received: bytes = field(repr=False)
    calls: Sequence[Call]
    born: Sequence[Session]
    carried: Sequence[Session]

    @property
    def is_challenged(self) -> bool:
        """Whether the answer asks for the code."""
        return CHALLENGED in self.received

    @property
    def is_login(self) -> bool:
        """Whether the request opened a user's session at Drupal."""
        return any(session.uid for session in self.born)


def marked(request: bytes) -> bytes:
    """Return *request* with the mark behind each request line."""
    return REQUEST_LINE.sub(lambda match: match[0] + MARK.encode() + b": 1\r\n", request)


def is_a_visitors(call: Call) -> bool:
    """Whether a visitor made *call*, and not the gateway itself."""
    return MARK in call.headers or not OWN_CALLS.fullmatch(call.path)


def for_version(listed: Iterable[Entry], config: str, version: str) -> list[Entry]:
    """Return the entries that were recorded with *config* at *version*."""
    return [entry for entry in listed if entry.config == config and version in entry.outcomes]


@asynccontextmanager
async def listed_site(config: str, version: str, **changes: object) -> AsyncGenerator[ListedSite]:
    """Open the site of these entries behind a gateway."""
    chosen: DrupalOptions = replace(options(config, version), phone_field="field_phone")
    async with a_world(store={"kind": "memory"}, drupal=chosen) as world:
        name = replace(
            origin("localhost"), cookie_domain=chosen.cookie_domain, name_suffix=chosen.name_suffix
        ).cookie_name
        plenty = {"most": 1_000_000, "seconds": 86_400}
        flood = {"mail": plenty, "codes": plenty}
        drupal = {"cookie_name": name}
        async with guarded(world, **{"drupal": drupal, "flood": flood, **changes}) as site:
            settings = Settings.model_validate(world.configuration())
            sealed = SealedCookies(settings.sealer(), origin=site.url)
            yield ListedSite(site=site, sealed=sealed)
