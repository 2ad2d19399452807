"""The image: what its Dockerfile says, line by line."""

import json
import os
import re
import subprocess
from fnmatch import fnmatch
from pathlib import Path

import pytest
import typer.main

import gateway
from gateway.cli.main import app

ROOT = Path(__file__).parents[2]
BASE = "${PYTHON_IMAGE}"
IMAGES = ("headgate", "demo")


def instructions():
    """(instruction, argument) pairs, comments dropped and continued lines joined."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line)]


def stages():
    """The instructions of each stage by its name, those of the stage that it starts from in front."""
    found = {}
    # Before the first FROM stand arguments, for the FROMs alone.
    for word, rest in instructions()[[word for word, _ in instructions()].index("FROM") :]:
        if word == "FROM":
            base, _, name = rest.split()
            found[name] = list(found.get(base, [("FROM", base)]))
        else:
            found[name].append((word, rest))
    return found


STAGES = stages()


def said(stage, word):
    return [rest for instruction, rest in stage if instruction == word]


@pytest.fixture(params=IMAGES)
def name(request):
    return request.param


@pytest.fixture
def build(name):
    return STAGES[f"build-{name}"]


@pytest.fixture
def final(name):
    return STAGES[name]


@pytest.fixture
def production():
    return STAGES["headgate"]


def test_every_stage_starts_from_the_same_pinned_slim_python():
    assert {base for stage in STAGES.values() for base in said(stage, "FROM")} == {BASE}


def test_the_base_image_can_be_pinned_by_its_digest():
    word, base = instructions()[0]

    assert (word, base.partition("@")[0]) == ("ARG", "PYTHON_IMAGE=python:3.13-slim")


@pytest.fixture
def pin(tmp_path):
    """Runs `make pin` beside a copy of the Dockerfile, where docker says *digest* of the image; returns the copy's ARG."""
    copy = tmp_path / "Dockerfile"
    copy.write_text((ROOT / "Dockerfile").read_text())

    def run(digest):
        docker = tmp_path / "docker"
        # The form of `docker buildx imagetools inspect`, whose later digests are of one platform each.
        manifest = f"Name: $4\nMediaType: index\nDigest:    {digest}\n\nManifests:\n  Digest: sha256:{'f' * 64}\n"
        docker.write_text(f'#!/bin/sh\n[ "$1 $2 $3" = "buildx imagetools inspect" ] && printf \'{manifest}\'\n')
        docker.chmod(0o755)
        command = ["make", "--silent", "--file", ROOT / "Makefile", "pin"]
        environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        return done, next(line for line in copy.read_text().splitlines() if line.startswith("ARG PYTHON_IMAGE"))

    return run


def test_make_pin_writes_the_digest_of_the_base_image_and_later_a_newer_one(pin):
    for digest in ("sha256:" + "a" * 64, "sha256:" + "b" * 64):
        done, base = pin(digest)

        assert (done.returncode, base) == (0, f"ARG PYTHON_IMAGE=python:3.13-slim@{digest}")
        assert done.stdout == f"python:3.13-slim@{digest}\n"


@pytest.mark.parametrize("digest", ["", "sha256:" + "a" * 63, "not found"])
def test_make_pin_without_an_answer_of_the_registry_fails_and_changes_nothing(pin, digest):
    done, base = pin(digest)

    assert (done.returncode, "docker does not know the digest of python:3.13-slim" in done.stderr) == (2, True)
    assert base in (ROOT / "Dockerfile").read_text()


def test_the_production_image_is_what_a_plain_build_makes():
    assert list(STAGES)[-1] == "headgate"


def test_dependencies_come_by_hash_and_as_wheels_and_the_package_brings_none(build):
    *by_lock, package = [run for run in said(build, "RUN") if " install " in run]

    assert by_lock
    for install in by_lock:
        assert "--require-hashes -r requirements" in install
        assert "--only-binary=:all:" in install
    assert package.endswith("install --no-deps .")


@pytest.mark.parametrize(
    ("image", "locks"), [("headgate", ["requirements.lock"]), ("demo", ["requirements.lock", "requirements-demo.lock"])]
)
def test_only_the_demo_image_installs_what_the_demo_needs(image, locks):
    installed = re.findall(r"-r (\S+\.lock)", " ".join(said(STAGES[f"build-{image}"], "RUN")))

    assert installed == locks
    assert "aiosmtpd==" not in (ROOT / "requirements.lock").read_text()
    assert "aiosmtpd==" in (ROOT / "requirements-demo.lock").read_text()


def test_the_production_image_is_built_without_the_demo(production):
    package = said(STAGES["build-headgate"], "RUN")[-1]

    assert package.startswith("rm -r gateway/demo && pip ")
    assert [copy for copy in said(production, "COPY") if "gateway" in copy] == [
        "--chmod=0444 config/gateway.yaml /etc/headgate/gateway.yaml"
    ]
    assert "--from=build-headgate /opt/headgate /opt/headgate" in said(production, "COPY")


def test_a_change_of_code_installs_no_dependency_again(build):
    steps = [rest for word, rest in build if word in {"COPY", "RUN"}]
    installs = [i for i, step in enumerate(steps) if "--require-hashes" in step]

    assert max(installs) < steps.index("gateway gateway")


def test_no_cache_of_pip_is_kept(build):
    assert "PIP_NO_CACHE_DIR=1" in " ".join(said(build, "ENV"))


def test_the_final_stage_installs_nothing_and_can_install_nothing(build, final):
    runs = " ".join(said(final, "RUN"))

    assert not re.search(r"\b(install|apt-get|apk|curl|wget|gcc)\b", runs)
    assert "pip uninstall" in runs
    assert "venv --without-pip" in " ".join(said(build, "RUN"))


def test_it_runs_as_a_number_that_is_not_root(final):
    (user,) = said(final, "USER")

    assert user == "10001:10001"
    assert final.index(("USER", user)) > max(i for i, (word, _) in enumerate(final) if word in {"RUN", "COPY"})


def test_the_production_image_serves_by_default(production):
    assert said(production, "ENTRYPOINT") == ['["headgate"]']
    assert said(production, "CMD") == ['["serve"]']


def test_the_demo_image_starts_the_demo_on_ports_that_it_exposes():
    (command,) = said(STAGES["demo"], "CMD")
    asked = typer.main.get_command(app).commands["demo"].make_context("demo", json.loads(command)[1:]).params

    assert json.loads(command)[0] == "demo"
    assert asked["host"] == "0.0.0.0"
    assert said(STAGES["demo"], "EXPOSE") == [f"{asked['port']} {asked['drupal_port']}"]


def test_it_reads_its_configuration_from_etc_and_writes_no_bytecode(production):
    environment = " ".join(said(production, "ENV")).split()

    assert "HEADGATE_CONFIG=/etc/headgate/gateway.yaml" in environment
    assert "PYTHONDONTWRITEBYTECODE=1" in environment
    assert "PYTHONUNBUFFERED=1" in environment
    # A secret in ENV would stay in the image for everybody to read.
    assert not re.search(r"(KEYS?|PASSWORD|TOKEN|SECRET)\w*=", " ".join(environment))


def test_the_label_names_this_version(final):
    assert said(final, "ARG") == [f"VERSION={gateway.__version__}"]
    assert 'org.opencontainers.image.version="${VERSION}"' in said(final, "LABEL")[0]


def test_only_what_the_image_needs_enters_the_build():
    ignore = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    let_in = {line.removeprefix("!") for line in ignore if line.startswith("!")}
    copied = {
        source
        for stage in STAGES.values()
        for copy in said(stage, "COPY")
        if not copy.startswith("--from")
        for source in copy.split()[:-1]
        if not source.startswith("--")
    }

    assert ignore[0] == "*"
    assert copied == let_in
    assert any(fnmatch("gateway/web/__pycache__", line) for line in ignore[1:])


def test_the_health_check_asks_the_default_admin_port_unless_told():
    (line,) = said(STAGES["headgate"], "HEALTHCHECK")

    assert "os.environ.get('HEADGATE_ADMIN__PORT', 9090)" in line
