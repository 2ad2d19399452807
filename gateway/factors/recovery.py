"""Recovery codes: the way back in when the phone is gone. Made once, shown once, kept as argon2id.

A code's first two characters choose the one hash that it is compared with, so that a guess costs one hash, and never
ten. They are no part of what is guessed: seventy random bits stand behind them.
"""

import asyncio
import secrets
import unicodedata
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from gateway.errors import FactorBusy

CODES = 10
# Crockford's: no letter that is read as a digit, and none that makes words.
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
MISREAD = str.maketrans("OIL", "011")
SELECTOR = 2
LENGTH = 16
GROUP = 4
# Longer than any spelling of a code; NFKC can make eighteen letters of one.
LONGEST = 64
# OWASP's first choice for argon2id: 19 MiB, two passes, one lane.
KIBIBYTES, PASSES, LANES = 19 * 1024, 2, 1
# How many are computed at once: each takes that memory and a core, for some 20 ms.
AT_ONCE = 2
# What is compared with when nothing was chosen, so that it takes as long. No code that anybody knows hashes to this.
NOBODYS = f"--$argon2id$v=19$m={KIBIBYTES},t={PASSES},p={LANES}${'A' * 22}${'A' * 43}"


class RecoveryCodes:
    """Makes codes and compares them, in threads of its own and never more than *AT_ONCE* at a time."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher(
            time_cost=PASSES, memory_cost=KIBIBYTES, parallelism=LANES, hash_len=32, salt_len=16
        )
        self._threads = ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="recovery")
        self._taken = 0

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    @contextmanager
    def room(self) -> Iterator[None]:
        """A place among those that compute. Raises FactorBusy, before anything is counted or spent."""
        if self._taken >= AT_ONCE:
            raise FactorBusy(retry_after=1)
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1

    async def make(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Ten fresh codes, and what is kept of them. Asked for with *room*."""
        codes = fresh()
        return codes, await asyncio.get_running_loop().run_in_executor(self._threads, self._kept_of, codes)

    async def find(self, typed: str, kept: Sequence[str]) -> str | None:
        """Which of *kept* is *typed*'s, or None. Asked for with *room*; one hash whatever is typed."""
        code = plain(typed)
        chosen = next((each for each in kept if each[:SELECTOR] == code[:SELECTOR]), NOBODYS)
        right = await asyncio.get_running_loop().run_in_executor(self._threads, self._compare, chosen, code)
        return chosen if right else None

    def _kept_of(self, codes: Sequence[str]) -> tuple[str, ...]:
        plains = [plain(code) for code in codes]
        return tuple(code[:SELECTOR] + self._hasher.hash(code[SELECTOR:]) for code in plains)

    def _compare(self, kept: str, code: str) -> bool:
        try:
            return self._hasher.verify(kept[SELECTOR:], code[SELECTOR:])
        except (VerificationError, InvalidHashError):
            return False


def fresh() -> tuple[str, ...]:
    """Ten codes as they are shown, no two with the same first characters."""
    codes: dict[str, str] = {}
    while len(codes) < CODES:
        code = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
        codes[code[:SELECTOR]] = "-".join(code[at : at + GROUP] for at in range(0, LENGTH, GROUP))
    return tuple(codes.values())


def plain(typed: str) -> str:
    """The code that *typed* spells, in whatever case and with whatever separators; empty when it can't be one."""
    if len(typed) > LONGEST:
        return ""
    letters = unicodedata.normalize("NFKC", typed).upper().translate(MISREAD)
    code = "".join(letter for letter in letters if letter.isalnum())
    return code if len(code) == LENGTH and set(code) <= set(ALPHABET) else ""
