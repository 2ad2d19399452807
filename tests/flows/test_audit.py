"""`make check` and `make audit` against a database of vulnerabilities that answers.

Nothing is replaced in the command: a proxy of the environment leads pip-audit's requests for pypi.org to this machine.
"""

import asyncio
import json
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.smtp_server import certificate, server_tls

ROOT = Path(__file__).parents[2]
LOCKED = dict(re.findall(r"^([a-z0-9-]+)==([^ ]+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
VULNERABILITY = {"id": "PYSEC-2026-1", "aliases": [], "fixed_in": ["99.0"], "summary": "made up", "withdrawn": None}
CLEAN = json.dumps({"vulnerabilities": []})
VULNERABLE = json.dumps({"vulnerabilities": [VULNERABILITY]})


@dataclass
class PyPI:
    """What each package's page says, and how to reach it."""

    environment: dict[str, str]
    answer: Callable[[str], tuple[int, str]] = lambda _name: (200, CLEAN)

    async def make(self, target: str, *options: str) -> tuple[int, str]:
        """Run `make TARGET`; return its exit status and what it printed."""
        # Whether the tools are up to date is no question of this test.
        process = await asyncio.create_subprocess_exec(
            *("make", "--old-file", ".venv/.dev", target, *options),
            cwd=ROOT,
            env=self.environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        written, _ = await asyncio.wait_for(process.communicate(), 60)
        return process.returncode, " ".join(written.decode().split())


@pytest.fixture
async def pypi(tmp_path):
    authority = certificate(tmp_path, host="pypi.org")

    async def tunnel(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
        await writer.start_tls(server_tls(authority))
        try:
            while True:
                asked = await reader.readuntil(b"\r\n\r\n")
                [name] = re.findall(rb"^GET /pypi/([^/]+)/[^/]+/json ", asked)
                status, body = found.answer(name.decode())
                writer.write(f"HTTP/1.1 {status} -\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async with await asyncio.start_server(tunnel, "127.0.0.1", 0) as server:
        found = PyPI(
            environment={
                "PATH": os.environ["PATH"],
                # Its cache would know the answers of an earlier run.
                "HOME": str(tmp_path),
                "XDG_CACHE_HOME": str(tmp_path),
                "HTTPS_PROXY": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}",
                "REQUESTS_CA_BUNDLE": str(authority),
            }
        )
        yield found


@pytest.fixture
def only_the_audit_fails(tmp_path):
    """An option of make that puts tools which find nothing in the place of the others."""
    for tool in ("ruff", "mypy", "lint-imports", "python"):
        (tmp_path / tool).write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n' if tool == "python" else "#!/bin/sh\n")
        (tmp_path / tool).chmod(0o755)
    return f"BIN={tmp_path}"


async def test_a_known_vulnerability_makes_check_fail_and_names_the_package(pypi, only_the_audit_fails):
    pypi.answer = lambda name: (200, VULNERABLE if name == "redis" else CLEAN)

    status, said = await pypi.make("check", only_the_audit_fails)

    assert f"redis {LOCKED['redis']}: PYSEC-2026-1, fixed in 99.0" in said
    assert status == 2


async def test_without_one_check_succeeds_and_says_how_much_was_compared(pypi, only_the_audit_fails):
    status, said = await pypi.make("check", only_the_audit_fails)

    assert (status, f"no known vulnerability in {len(LOCKED)} packages" in said) == (0, True)


@pytest.mark.parametrize("answer", [(503, "busy"), (200, "<title>Sign in to this network</title>")])
async def test_a_database_that_does_not_answer_as_it_should_fails_nothing_and_is_not_called_clean(pypi, answer):
    pypi.answer = lambda _name: answer

    status, said = await pypi.make("audit")

    assert (status, said) == (0, "Not audited: the database of vulnerabilities can't be reached.")
