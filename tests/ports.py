"""Ports for servers that start a moment later, and for peers that must not be there."""

import fcntl
import itertools
import os
import socket
import tempfile
from functools import cache
from pathlib import Path
from typing import IO

# Below the range from which a kernel gives out ports by itself: no `bind(0)` and no connection gets one of these
# between the question and the use.
FIRST, BEYOND = 10_000, 30_000

_next = itertools.count(os.getpid() * 37 % (BEYOND - FIRST))


@cache
def _claims() -> IO[bytes]:
    """A file of which every run on this machine locks the bytes of its ports; a lock ends with its process."""
    return (Path(tempfile.gettempdir()) / f"headgate-ports-{os.getuid()}").open("ab")


def _is_ours(port: int) -> bool:
    """Whether no other process has this port, by its own claim or by listening on it."""
    with socket.socket() as probe:
        try:
            fcntl.lockf(_claims(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A port of loopback that nobody listens on, and that no process of any test run is given again."""
    for number in itertools.islice(_next, BEYOND - FIRST):
        port = FIRST + number % (BEYOND - FIRST)
        if _is_ours(port):
            return port
    raise OSError("no port is free")
