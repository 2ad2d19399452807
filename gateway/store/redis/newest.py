"""The newest version that this process has seen of each open login.

Sealing shows who wrote a value, but not when. An attacker who can write to Redis can put an older value of the same
key back, in which fewer attempts are used up. This process then knows a newer version.
"""

from collections import OrderedDict
from typing import Final

# About 25 MB. If more logins than this change within the lifetime of a code, the one that changed longest ago is
# forgotten.
MOST: Final = 100_000


class NewestVersions:
    """Remembers versions until their logins expire. A version 0 is not kept, since nothing is older."""

    def __init__(self, *, most: int = MOST) -> None:
        self._most = most
        # The one that changed last comes last, so those that expire first are near the front.
        self._kept: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def has_newer(self, key: str, version: int) -> bool:
        """Return whether a newer version than *version* was seen."""
        newest = self._kept.get(key)
        return newest is not None and version < newest[0]

    def note(self, key: str, version: int, *, until: float, now: float) -> None:
        """Remember *version* until *until*, unless a newer one was seen."""
        if version == 0 or self.has_newer(key, version):
            return
        self._kept[key] = version, until
        self._kept.move_to_end(key)
        while self._kept and (len(self._kept) > self._most or next(iter(self._kept.values()))[1] <= now):
            self._kept.popitem(last=False)
