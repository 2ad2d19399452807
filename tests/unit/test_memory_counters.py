"""The counters of a single process."""

from gateway.limit import Limit
from gateway.store.memory.counters import MemoryCounters


async def test_what_was_given_back_takes_no_room_from_others():
    """Every login reserves what it gives back when its password is right."""
    counters = MemoryCounters(most_entries=2)

    for number in range(10):
        limits = [Limit(name="flood.address", key=f"address {number}", most=3, seconds=3600)]
        assert not (await counters.take(limits, now=number)).refused
        await counters.give_back(limits, now=number)
