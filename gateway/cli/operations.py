"""What an operator does once, from the command line, with the same parts that serve."""

import secrets
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial

import structlog

from gateway.account import Enrolment
from gateway.auth_types import METHODS
from gateway.delivery.numbers import e164
from gateway.errors import DeliveryError, StoreUnavailable
from gateway.flood.limits import locks
from gateway.interfaces import Text
from gateway.policy.devices import forget
from gateway.settings import Settings, configured
from gateway.texts.messages import MEDIA, Texts, Values

log = structlog.get_logger()


async def send_test(settings: Settings, *, method: str, to: str) -> str | None:
    """Send a message with no code in it by every channel of *method*; return why it could not be sent, or None."""
    channels = configured(settings.channels)
    wanted = METHODS.get(method, ())
    if not wanted or not set(wanted) <= channels.keys():
        return f"no channel is configured for {method}"

    now, code, language = time.time(), "0" * settings.code.digits, settings.texts.default_language
    texts = Texts(settings.texts, public_url=settings.public_url)
    values = Values(username="headgate", code=code, seconds=60, asked_at=now)

    async with AsyncExitStack() as stack:
        for name in wanted:
            channel = await stack.enter_async_context(channels[name].open())
            written = texts.render("code", language, values, medium=MEDIA[name])
            told = replace(written, channel=name, code=code, language=language, expires_at=now + 60)
            try:
                where = to if name == "email" else e164(to, settings.numbers)
                await channel.deliver(where, partial(ready, told), id=f"test-{secrets.token_urlsafe(12)}")
            except DeliveryError as error:
                return f"{name}: {error.reason}"
    return None


async def ready(text: Text) -> Text:
    """A text that is there already."""
    return text


async def unlock(settings: Settings, *, uid: str) -> None:
    """Clear the account's counts of wrong codes. Raises StoreUnavailable."""
    async with settings.store.open(settings.sealer()) as backend:
        await backend.counters.clear(locks(uid))


async def forget_devices(settings: Settings, *, uid: str) -> int:
    """Forget every remembered device of the account; return how many there were. Raises StoreUnavailable."""
    async with settings.store.open(settings.sealer()) as backend:
        known = await backend.enrolments.find(uid)
        await backend.enrolments.update(uid, forget)
        return len(known.devices) if known else 0


async def reset_factors(settings: Settings, *, uid: str) -> bool:
    """Take authenticator, recovery codes and remembered devices away; return whether there was an authenticator.

    Something stays: what says that no manageToken from before may enrol another one. Raises StoreUnavailable.
    """
    now = time.time()

    def bare(known: Enrolment | None) -> Enrolment:
        return replace((known or Enrolment(uid=uid)).remove(now=now), devices=())

    async with settings.store.open(settings.sealer()) as backend:
        found = await backend.enrolments.find(uid)
        await backend.enrolments.update(uid, bare)
        had = found is not None and found.totp_secret is not None
        log.info("factors.reset", uid=uid, had=had)
        return had


async def initialise(settings: Settings) -> bool:
    """Mark the store as ours and not emptied; return whether it was so already. Raises StoreUnavailable."""
    async with settings.store.open(settings.sealer()) as backend:
        known = await backend.enrolments.initialised()
        await backend.enrolments.initialise()
        return known


@dataclass(frozen=True, kw_only=True, slots=True)
class Resealed:
    """How many enrolments were sealed anew, and how many none of the keys opens."""

    anew: int
    lost: int


async def reseal(settings: Settings, *, seen: Callable[[], None]) -> Resealed:
    """Seal with the first key what an older one has sealed for ever: the enrolments and the store's mark.

    *seen* is called after each. Raises StoreUnavailable, also for a mark that none of the keys opens.
    """
    async with settings.store.open(settings.sealer()) as backend:
        enrolments = backend.enrolments
        if await enrolments.initialised():
            await enrolments.initialise()
        anew, lost = 0, set()
        async for uid in enrolments.uids():
            try:
                anew += await enrolments.reseal(uid)
            except StoreUnavailable as error:
                if error.reason != "unsealable":
                    raise
                lost.add(uid)
            seen()
        return Resealed(anew=anew, lost=len(lost))
