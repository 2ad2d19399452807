"""The commands for production, from README and docs/kubernetes.md, run as they stand in an empty folder.

Only what can't be there is replaced: docker (tests/docker_stand_in.py starts the gateway of this checkout instead),
kubectl, the editor in which an operator types a password, the relay's address, and the two ports, which may be taken on
this machine. Without root, files can't be given to the group 10001: the image's user then has this user's group.
"""

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
from pathlib import Path

import pytest

from gateway.configuration import load
from tests.ports import free_port
from tests.smtp_server import Mailbox, certificate, server_tls
from tests.unit.test_docs import ROOT, blocks_of, section_of, text_of

GROUP = 10001 if os.geteuid() == 0 else os.getgid()
PASSWORD = "the relay's password"
FILES = {"keys", "index-key", "api-key-web", "redis-url", "smtp-password"}
KUBECTL = """#!/bin/sh
[ "$1 $2 $3" = "create secret generic" ] || { echo "kubectl: $*" >&2; exit 1; }
for argument; do
  case "$argument" in --from-file=*) test -s "${argument#--from-file=}" || exit 1; echo "${argument#--from-file=}" >> "$DOCKER_STATE/secret" ;; esac
done
"""
# Types what belongs into the file.
EDITOR = """#!/bin/sh
case "$1" in *redis-url) printf '%s\\n' "$TYPED_URL" > "$1" ;; *) printf '%s\\n' "$TYPED_PASSWORD" > "$1" ;; esac
"""


class Machine:
    """An operator's machine: a shell in an empty folder, with the stand-ins on its PATH."""

    def __init__(self, folder: Path, *, redis_url: str, mailbox: Mailbox, ca: Path) -> None:
        self.empty, self.state, programs = (folder / name for name in ("empty", "state", "bin"))
        for made in (self.empty, self.state, programs):
            made.mkdir()
        self.port, self.admin_port = free_port(), free_port()
        self._relay_port = mailbox.port
        for name, text in {
            "docker": f'#!/bin/sh\nexec "{sys.executable}" -m tests.docker_stand_in "$@"\n',
            "kubectl": KUBECTL,
            "editor": EDITOR,
        }.items():
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)
        self._environment = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "DOCKER_STATE": str(self.state),
            "DOCKER_GROUP": str(GROUP),
            "EDITOR": "editor",
            "TMPDIR": str(self.state),
            "TYPED_URL": redis_url,
            "TYPED_PASSWORD": PASSWORD,
            "SSL_CERT_FILE": str(ca),
        }

    def _here(self, script: str) -> str:
        """*script* with the ports, the relay and the group of this machine."""
        for there, here in {
            "-p 8080:": f"-p {self.port}:",
            "127.0.0.1:9090": f"127.0.0.1:{self.admin_port}",
            "smtp.example.org": "127.0.0.1",
            "port: 587": f"port: {self._relay_port}",
            "PORT=587": f"PORT={self._relay_port}",
            "10001": str(GROUP),
        }.items():
            script = script.replace(there, here)
        return script

    async def run(self, script: str, *, cwd: Path | None = None) -> tuple[int, str]:
        """Exit status and output of *script* in a new shell, which stops at the first failure, and the gateway's log."""
        process = await asyncio.create_subprocess_exec(
            *("bash", "-euo", "pipefail", "-c", self._here(script)),
            cwd=cwd or self.empty,
            env=self._environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await asyncio.wait_for(process.communicate(), 120)
        return process.returncode, output.decode() + self.log()

    async def succeed(self, script: str, *, cwd: Path | None = None) -> str:
        status, output = await self.run(script, cwd=cwd)
        assert status == 0, output
        return output

    def log(self) -> str:
        path = self.state / "headgate.log"
        return path.read_text() if path.exists() else ""

    def stop(self) -> None:
        path = self.state / "headgate.json"
        if path.exists():
            with contextlib.suppress(ProcessLookupError):
                os.kill(json.loads(path.read_text())["pid"], signal.SIGKILL)


@pytest.fixture
async def machine(tmp_path, redis_server):
    ca = certificate(tmp_path)
    async with Mailbox.open(tls=server_tls(ca), security="starttls", login=("headgate", PASSWORD)) as mailbox:
        made = Machine(tmp_path, redis_url=redis_server.url, mailbox=mailbox, ca=ca)
        made.mailbox = mailbox
        yield made
        made.stop()


def blocks():
    """README's blocks by what they are for."""
    names = ("build", "keys", "passwords", "configuration", "start", "test mail", "environment")
    return dict(zip(names, blocks_of(section_of(text_of("README.md"), "## In production"), "sh"), strict=True))


async def until_keys(machine):
    await machine.succeed(blocks()["build"], cwd=ROOT)
    await machine.succeed(blocks()["keys"] + blocks()["passwords"])


async def test_the_commands_of_the_readme_start_a_gateway_that_is_ready_and_sends_mail(machine):
    await machine.succeed(blocks()["build"], cwd=ROOT)
    steps = ("keys", "passwords", "configuration", "start", "test mail")
    # The strictest umask that root may have; the other tests have the usual one.
    output = await machine.succeed("umask 077\n" + "".join(blocks()[name] for name in steps))

    assert "The configuration is valid." in " ".join(output.split())
    assert json.loads(re.search(r'\{"status".*?\}', output)[0])["status"] == "ok"
    assert (await machine.mailbox.mail()).recipients == ("you@example.org",)


async def test_the_variables_of_the_readme_start_a_gateway_that_is_ready_and_sends_mail(machine):
    await until_keys(machine)
    output = await machine.succeed(blocks()["environment"])
    await machine.succeed(blocks()["test mail"])

    assert json.loads(re.search(r'\{"status".*?\}', output)[0])["status"] == "ok"
    assert (await machine.mailbox.mail()).recipients == ("you@example.org",)


async def test_the_gateways_group_reads_the_secrets_and_others_do_not(machine):
    await until_keys(machine)

    secrets = machine.empty / "secrets"
    assert {path.name for path in secrets.iterdir()} == FILES
    for path in (secrets, *secrets.iterdir()):
        status = path.stat()
        assert (status.st_gid, status.st_mode & 0o007) == (GROUP, 0), path
        assert status.st_mode & 0o020 == 0, "the gateway has no reason to write"


async def test_pasting_the_commands_again_keeps_the_keys(machine):
    await until_keys(machine)
    before = (machine.empty / "secrets" / "keys").read_text()

    # An interactive shell goes on after a failure.
    status, _ = await machine.run("set +e\n" + blocks()["keys"])

    assert (machine.empty / "secrets" / "keys").read_text() == before
    assert status != 0


async def test_the_file_and_the_variables_say_the_same(machine):
    await until_keys(machine)
    await machine.succeed(blocks()["configuration"])

    def here(text):
        return machine._here(text).replace("/run/secrets", str(machine.empty / "secrets"))

    path = machine.empty / "gateway.yaml"
    path.write_text(here(path.read_text()))
    variables = dict(re.findall(r"-e (\w+)=(\S+)", here(blocks()["environment"])))
    by_file, by_variables = load(path, {}), load(ROOT / "config" / "gateway.yaml", variables)

    assert by_file.model_dump(exclude={"headless"}) == by_variables.model_dump(exclude={"headless"})
    assert by_file.headless.clients[0].digest() == by_variables.headless.clients[0].digest()


async def test_the_commands_for_kubernetes_make_every_file_of_the_secret(machine):
    await machine.succeed("docker build -t headgate:0.1.0 .", cwd=ROOT)
    scripts = [
        one
        for one in blocks_of(text_of("docs/kubernetes.md"), "sh")
        if re.search(r"new-key|EDITOR|secret generic", one)
    ]

    await machine.succeed("".join(scripts))

    assert set((machine.state / "secret").read_text().split()) == FILES
