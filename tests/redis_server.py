"""A real redis-server for tests: on its own socket, in its own directory, killed, paused and dumped at will."""

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.ports import free_port


class RedisServer:
    """One server on a free port of loopback. It persists nothing, unless told so: a restarted one is empty."""

    def __init__(self, *options: str) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="redis-"))
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [
            *("redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.directory)),
            *("--save", "", "--appendonly", "no", "--rdbcompression", "no", "--loglevel", "warning"),
            *self._options,
        ]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while self.ask("PING") != b"+PONG\r\n":
            assert time.monotonic() < deadline, "redis-server did not start"
            time.sleep(0.01)

    def stop(self) -> None:
        if self._process:
            self.resume()
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def pause(self) -> None:
        """Stop answering, connections open, as a machine does that hangs."""
        assert self._process, "not started"
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        if self._process:
            self._process.send_signal(signal.SIGCONT)

    def flush(self) -> None:
        """Forget all keys; the scripts stay known, as they would on a server in use."""
        assert self.ask("FLUSHALL") == b"+OK\r\n"

    def dump(self) -> bytes:
        """Everything it holds, as it would lie on a disk."""
        assert self.ask("SAVE") == b"+OK\r\n"
        return (self.directory / "dump.rdb").read_bytes()

    def ask(self, command: str) -> bytes:
        """Send one inline command and return the first bytes of the answer; empty when nobody answers."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=10) as peer:
                peer.sendall(command.encode() + b"\r\n")
                return peer.recv(65536)
        except OSError:
            return b""

    @contextmanager
    def watching(self) -> Iterator[list[bytes]]:
        """Afterwards the list holds every command that was asked meanwhile, in its order."""
        seen: list[bytes] = []
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as peer:
            peer.sendall(b"MONITOR\r\n")
            assert peer.recv(5) == b"+OK\r\n"
            yield seen
            told = b""
            self.ask("ECHO that-was-all")
            while b"that-was-all" not in told:
                told += peer.recv(65536)
            seen += told.split(b"\r\n")[:-1]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)
