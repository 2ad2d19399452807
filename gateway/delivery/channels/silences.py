"""How often a message is given to a provider that does not answer.

Such a provider may have sent the message each time, and each time costs money. So three tries are enough.
"""

from collections import OrderedDict

from gateway.errors import Delayed, DeliveryError, Undeliverable

MOST_SILENCES = 3
# The time-outs of this many messages are remembered.
REMEMBERED = 1000


class Silences:
    """Counts the time-outs of each message."""

    def __init__(self) -> None:
        self._counts: OrderedDict[str, int] = OrderedDict()

    def error(self, id: str) -> DeliveryError:
        """Count one more time-out of message *id*: Delayed, or Undeliverable after the last try."""
        count = self._counts.pop(id, 0) + 1
        if count >= MOST_SILENCES:
            return Undeliverable("timeout")
        self._counts[id] = count
        if len(self._counts) > REMEMBERED:
            self._counts.popitem(last=False)
        return Delayed("timeout")
