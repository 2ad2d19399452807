"""What an operator reads when `serve` or `demo` can't start, or starts in front of nothing."""

import asyncio
import errno
import json
import os
import socket
import subprocess
import sys
from contextlib import asynccontextmanager

import pytest

from gateway.process import cant_listen
from tests.ports import free_port

KEYS = {"HEADGATE_API_KEY": "a-key-that-is-long-enough", "HEADGATE_PUBLIC_URL": "https://www.example.org"}


def start(*command, **environment):
    """Run `headgate COMMAND` until it ends; return its exit status and the lines on stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "gateway", *command],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
        env={"PATH": os.environ["PATH"], "HEADGATE_LOG__LEVEL": "error"} | environment,
    )
    return done.returncode, done.stderr.strip().splitlines()


@asynccontextmanager
async def started(*command, **environment):
    """`headgate COMMAND`, ended with the context; yields the process."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", *command),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1"} | environment,
    )
    try:
        yield process
    finally:
        process.terminate()
        await asyncio.wait_for(process.communicate(), 20)


async def line_with(stream, word):
    async with asyncio.timeout(15):
        async for line in stream:
            if word in line.decode():
                return line.decode()
    raise AssertionError(word)


@pytest.fixture
def taken():
    """A port on which somebody else listens."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield str(other.getsockname()[1])


def ports(listen, admin):
    host = {"HEADGATE_LISTEN__HOST": "127.0.0.1"}
    return KEYS | host | {"HEADGATE_LISTEN__PORT": str(listen), "HEADGATE_ADMIN__PORT": str(admin)}


@pytest.mark.parametrize("key", ["listen.port", "admin.port"])
def test_a_taken_port_is_one_line_with_the_key_to_change(taken, key):
    environment = ports(taken, 0) if key == "listen.port" else ports(0, taken)

    status, lines = start("serve", **environment)

    assert (status, lines) == (1, [f"{key}: another process listens on this port; choose another port."])


@pytest.mark.parametrize("key", ["--port", "--drupal-port"])
def test_a_taken_port_of_the_demo_is_one_line_too(taken, key):
    other = "--drupal-port" if key == "--port" else "--port"

    status, lines = start("demo", key, taken, other, "0")
    said = [line for line in lines if not line.startswith('{"event": "totp.not_kept"')]

    assert (status, said) == (1, [f"{key}: another process listens on this port; choose another port."])


# TEST-NET-1 belongs to nobody (RFC 5737), and no name ends in .invalid (RFC 6761 §6.4).
@pytest.mark.parametrize(
    ("host", "sentence"),
    [("192.0.2.1", "this machine does not have this address"), ("nowhere.invalid", "this name has no address")],
)
def test_an_address_that_is_not_ours_is_one_line(host, sentence):
    assert start("serve", **ports(0, 0), HEADGATE_ADMIN__HOST=host) == (1, [f"admin.host: {sentence}."])


def test_a_privileged_port_says_which_ports_are_free_to_use():
    """A test may run as root, for whom no port is privileged."""
    refused = cant_listen(PermissionError(errno.EACCES, "made"), "listen.host", "listen.port")

    assert (refused.key, "from 1024 on" in refused.sentence) == ("listen.port", True)


@pytest.mark.parametrize(
    "url", ["localhost:8081", "ftp://example.org", "http://u:hunter2@example.org", "http://h:99999"]
)
def test_a_drupal_url_that_is_no_address_says_what_is_wrong(url):
    status, lines = start("demo", "--port", "0", DRUPAL_URL=url, COLUMNS="200")

    said = " ".join(lines)
    assert status == 2
    assert "DRUPAL_URL must" in said or "DRUPAL_URL is not an address" in said
    assert "hunter2" not in said
    assert "Traceback" not in said


async def test_the_demo_says_at_once_that_nobody_answers_at_drupal_url():
    nowhere = f"http://127.0.0.1:{free_port()}"

    async with started("demo", "--port", "0", DRUPAL_URL=nowhere) as process:
        line = await line_with(process.stdout, "warning")

    assert line == f"warning: nobody answers at {nowhere} (refused).\n"


async def test_serve_says_at_once_that_nobody_answers_at_drupal_and_serves():
    nowhere = f"http://127.0.0.1:{free_port()}"

    async with started("serve", **ports(0, 0), HEADGATE_DRUPAL__URL=nowhere) as process:
        first = json.loads(await line_with(process.stderr, "serve.started"))
        event = json.loads(await line_with(process.stderr, "drupal.unreachable"))

    assert first["level"] == "info"
    assert (event["level"], event["key"], event["reason"]) == ("warning", "drupal.url", "refused")


async def test_serve_warns_at_start_that_browser_clients_need_a_public_url():
    environment = {name: value for name, value in ports(0, 0).items() if name != "HEADGATE_PUBLIC_URL"}

    async with started("serve", **environment) as process:
        event = json.loads(await line_with(process.stderr, "configuration.warning"))

    assert (event["level"], event["key"]) == ("warning", "public_url")
    assert "DNS rebinding" in event["why"]


def test_make_run_passes_on_port_and_drupal_url():
    shown = subprocess.run(
        ["make", "--dry-run", "run", "PORT=8090", "DRUPAL_URL=http://localhost:8081"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert 'headgate demo --port "8090" --drupal-url "http://localhost:8081"' in shown.stdout
