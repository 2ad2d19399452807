"""Recovery codes, for a user who has lost their phone. They are shown once and kept as argon2id hashes.

The first two characters of a code choose the one hash that it is compared with, so that a guess costs one hash and
not ten. They add nothing to the secret: the other fourteen characters are seventy random bits.
"""

import asyncio
import secrets
import unicodedata
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import ClassVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from gateway.account import Enrolment
from gateway.errors import FactorBusy
from gateway.interfaces import Spend

CODES = 10
# Crockford's base32: without the letters that look like digits.
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
MISREAD = str.maketrans("OIL", "011")
SELECTOR = 2
LENGTH = 16
GROUP = 4
# No spelling of a code is longer than this. NFKC can turn one letter into eighteen, so the length is checked before
# NFKC.
LONGEST = 64
# OWASP's first choice for argon2id: 19 MiB, two passes, one lane.
KIBIBYTES, PASSES, LANES = 19 * 1024, 2, 1
# Hashes computed at the same time. Each takes these 19 MiB and one core for some 20 ms.
AT_ONCE = 2
# When no hash was chosen, the code is compared with this one, so that the answer takes as long. Nobody knows a code
# with this hash.
NOBODYS = f"--$argon2id$v=19$m={KIBIBYTES},t={PASSES},p={LANES}${'A' * 22}${'A' * 43}"


class RecoveryCodes:
    """Implements interfaces.Factor with the recovery codes of an enrolment.

    It hashes in its own threads, at most *AT_ONCE* at a time.
    """

    enrolled: ClassVar[bool] = True

    def __init__(self) -> None:
        self._hasher = PasswordHasher(
            time_cost=PASSES, memory_cost=KIBIBYTES, parallelism=LANES, hash_len=32, salt_len=16
        )
        self._threads = ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="recovery")
        self._taken = 0

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def challenge(self, secret: bytes) -> str:
        """Return nothing: the user has kept the codes."""
        del secret
        return ""

    @contextmanager
    def capacity(self) -> Iterator[None]:
        if self._taken >= AT_ONCE:
            raise FactorBusy(retry_after=1)
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1

    async def check(self, answer: str, *, secret: bytes, enrolment: Enrolment | None, now: float) -> Spend | None:
        del secret, now
        kept = await self.find(answer, enrolment.recovery_hashes if enrolment else ())
        return None if kept is None else lambda held: held.spend_recovery_code(kept)

    async def make(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return ten fresh codes, and their hashes. Called while *capacity* is held."""
        codes = fresh()
        return codes, await asyncio.get_running_loop().run_in_executor(self._threads, self._kept_of, codes)

    async def find(self, typed: str, kept: Sequence[str]) -> str | None:
        """Return the hash in *kept* of the code *typed*, or None. It computes one hash, whatever was typed."""
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
    """Return ten codes as the user sees them, no two with the same first characters."""
    codes: dict[str, str] = {}
    while len(codes) < CODES:
        code = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
        codes[code[:SELECTOR]] = "-".join(code[at : at + GROUP] for at in range(0, LENGTH, GROUP))
    return tuple(codes.values())


def plain(typed: str) -> str:
    """Return the code in *typed*, in upper case and without separators; empty if it can't be a code."""
    if len(typed) > LONGEST:
        return ""
    letters = unicodedata.normalize("NFKC", typed).upper().translate(MISREAD)
    code = "".join(letter for letter in letters if letter.isalnum())
    return code if len(code) == LENGTH and set(code) <= set(ALPHABET) else ""
