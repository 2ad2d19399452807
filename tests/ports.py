"""Ports for servers that start a moment later, and for peers that must not be there."""

import itertools
import os
import socket

# Below the range from which a kernel gives out ports by itself: nobody else's `bind(0)` or connection gets one of these
# between the question and the use, and no two questions of one run get the same.
FIRST, BEYOND = 10_000, 30_000

_next = itertools.count(os.getpid() * 37 % (BEYOND - FIRST))


def free_port() -> int:
    """A port of loopback that nobody listens on, and that this run gives to nobody else."""
    for number in itertools.islice(_next, BEYOND - FIRST):
        port = FIRST + number % (BEYOND - FIRST)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no port is free")
