"""The product as it is installed: the wheel, without the demo's extra, away from the checkout.

Nothing is downloaded. The new environment gets links to the libraries that requirements.lock pins, from the environment
of the tests, and to no others: neither aiosmtpd nor a tool for testing can be imported there.
"""

import asyncio
import os
import re
import shutil
import subprocess
import sys
import venv
from contextlib import asynccontextmanager
from importlib.metadata import distribution
from pathlib import Path

import aiohttp
import pytest

from gateway.demo.drupal.accounts import example_users
from tests.ports import free_port
from tests.unit.test_dockerfile import STAGES, said

ROOT = Path(__file__).parents[2]
PINNED = re.compile(r"^([a-z0-9.-]+)==", re.MULTILINE)
PASSWORDS = [user.password for user in example_users()]
TO_INSTALL = "pip install 'headgate[demo]'"


def pip(*arguments, **options):
    """Run pip, without an index to ask."""
    command = [sys.executable, "-m", "pip", "--no-input", "--disable-pip-version-check", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build_wheel(folder, *, prepare="true"):
    """Copy what is packaged, run the shell command *prepare* there, and build the wheel."""
    source = folder / "source"
    shutil.copytree(ROOT / "gateway", source / "gateway", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    subprocess.run(["/bin/sh", "-c", prepare], cwd=source, check=True)
    pip("wheel", "--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", folder, source)
    (wheel,) = folder.glob("headgate-*.whl")
    return wheel


def pinned(lock):
    """The names of the libraries in a lock file."""
    return set(PINNED.findall((ROOT / lock).read_text()))


def link_libraries(names, folder):
    for name in names:
        library = distribution(name)
        for top in {path.parts[0] for path in library.files if path.parts[0] not in ("..", "__pycache__")}:
            (folder / top).symlink_to(library.locate_file(top))


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Returns a function that installs a wheel into a new environment."""

    def install(*, prepare="true"):
        folder = tmp_path_factory.mktemp("installed")
        wheel = build_wheel(folder, prepare=prepare)
        venv.create(folder / "venv", symlinks=True)
        (site_packages,) = (folder / "venv").glob("lib/python*/site-packages")
        link_libraries(pinned("requirements.lock"), site_packages)
        pip("--python", folder / "venv" / "bin" / "python", "install", "--no-deps", "--no-index", wheel)
        return folder / "venv"

    return install


@pytest.fixture(scope="module")
def plain(environment):
    """What `pip install headgate` installs."""
    return environment()


@pytest.fixture(scope="module")
def production(environment):
    """What the production image holds: the Dockerfile's own command prepares the source."""
    prepare, _, install = said(STAGES["build-headgate"], "RUN")[-1].partition(" && ")
    assert install.startswith("pip ")
    return environment(prepare=prepare)


@pytest.fixture(params=["plain", "production"])
def installed(request):
    return request.getfixturevalue(request.param)


def run(installed, *command, **variables):
    """Run a command in a folder outside of the checkout."""
    return subprocess.run(
        [installed / "bin" / "headgate", *command],
        cwd=installed,
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_wheel_asks_for_no_library_that_the_lock_has_not(installed):
    assert "No broken requirements found" in pip("--python", installed / "bin" / "python", "check")


@asynccontextmanager
async def started(installed, *command, **variables):
    """A command that runs until it is stopped; it must then end well."""
    process = await asyncio.create_subprocess_exec(
        *(installed / "bin" / "headgate", *command),
        cwd=installed,
        env={"PATH": os.environ["PATH"], **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield process
        process.terminate()
        written, _ = await asyncio.wait_for(process.communicate(), 20)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, written.decode()


async def status_of(url, process):
    """The status at *url*, as soon as anything answers there."""
    async with asyncio.timeout(20), aiohttp.ClientSession() as http:
        while True:
            assert process.returncode is None
            try:
                async with http.get(url) as response:
                    return response.status
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.05)


async def test_without_the_demo_it_serves_and_stops(installed):
    port, admin_port = free_port(), free_port()
    variables = {
        "HEADGATE_API_KEY": "made",
        "HEADGATE_LISTEN__HOST": "127.0.0.1",
        "HEADGATE_LISTEN__PORT": str(port),
        "HEADGATE_ADMIN__PORT": str(admin_port),
    }
    async with started(installed, "serve", **variables) as process:
        assert await status_of(f"http://127.0.0.1:{admin_port}/livez", process) == 200
        assert await status_of(f"http://127.0.0.1:{port}/headless/openapi.json", process) == 200


def test_without_the_extra_the_demo_says_what_to_install(installed):
    done = run(installed, "demo")

    assert done.returncode == 1
    assert TO_INSTALL in " ".join(done.stderr.split())


async def test_with_the_libraries_of_the_extra_the_demo_starts(plain, tmp_path):
    """An extra can only bring libraries, so the wheel has the demo's own files."""
    link_libraries(pinned("requirements-demo.lock") - pinned("requirements.lock"), tmp_path)
    port = free_port()

    async with started(plain, "demo", "--port", str(port), PYTHONPATH=str(tmp_path)) as process:
        assert await status_of(f"http://127.0.0.1:{port}/", process) == 200


def test_every_message_can_be_previewed_from_the_wheel(installed, tmp_path):
    """The templates, the catalogues and the preview's own page are packaged, too."""
    done = run(installed, "preview", "--out", str(tmp_path / "preview"))

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "preview" / "index.html").is_file()


def test_no_known_password_is_in_the_production_image(plain, production):
    def known_passwords(folder):
        (package,) = folder.glob("lib/python*/site-packages/gateway")
        files = [path.read_bytes() for path in package.rglob("*") if path.is_file()]
        assert files
        return {password for password in PASSWORDS if any(password.encode() in content for content in files)}

    assert known_passwords(production) == set()
    # The search finds what is there to be found.
    assert "alice-pass-1" in known_passwords(plain)
