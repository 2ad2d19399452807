"""The image: what its Dockerfile says, line by line."""

import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

import gateway

ROOT = Path(__file__).parents[2]


def instructions():
    """(instruction, argument) pairs, comments dropped and continued lines joined."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line)]


def stages():
    """The instructions of each stage; a stage begins at its FROM."""
    found = []
    for instruction in instructions():
        if instruction[0] == "FROM":
            found.append([])
        found[-1].append(instruction)
    return found


def said(stage, word):
    return [rest for instruction, rest in stage if instruction == word]


@pytest.fixture
def build():
    return stages()[0]


@pytest.fixture
def final():
    return stages()[-1]


def test_every_stage_starts_from_the_same_pinned_slim_python():
    images = [said(stage, "FROM")[0].split()[0] for stage in stages()]

    assert images == ["python:3.13-slim"] * 2


def test_dependencies_come_by_hash_and_as_wheels_and_the_package_brings_none(build):
    by_lock, package = [run for run in said(build, "RUN") if " install " in run]

    assert "--require-hashes -r requirements.lock" in by_lock
    assert "--only-binary=:all:" in by_lock
    assert package.endswith("install --no-deps .")


def test_a_change_of_code_installs_no_dependency_again(build):
    steps = [rest for word, rest in build if word in {"COPY", "RUN"}]
    lock, install, source = (
        next(i for i, step in enumerate(steps) if step.startswith(begin) or begin in step)
        for begin in ("requirements.lock", "--require-hashes", "gateway gateway")
    )

    assert lock < install < source


def test_no_cache_of_pip_is_kept(build):
    assert "PIP_NO_CACHE_DIR=1" in " ".join(said(build, "ENV"))


def test_the_final_stage_installs_nothing_and_can_install_nothing(final):
    runs = " ".join(said(final, "RUN"))

    assert not re.search(r"\b(install|apt-get|apk|curl|wget|gcc)\b", runs)
    assert "pip uninstall" in runs
    assert "venv --without-pip" in " ".join(said(stages()[0], "RUN"))


def test_it_runs_as_a_number_that_is_not_root(final):
    (user,) = said(final, "USER")

    assert user == "10001:10001"
    assert final.index(("USER", user)) > max(i for i, (word, _) in enumerate(final) if word in {"RUN", "COPY"})


def test_it_serves_unless_told_otherwise(final):
    assert said(final, "ENTRYPOINT") == ['["headgate"]']
    assert said(final, "CMD") == ['["serve"]']


def test_it_reads_its_configuration_from_etc_and_writes_no_bytecode(final):
    environment = " ".join(said(final, "ENV")).split()

    assert "HEADGATE_CONFIG=/etc/headgate/gateway.yaml" in environment
    assert "PYTHONDONTWRITEBYTECODE=1" in environment
    assert "PYTHONUNBUFFERED=1" in environment
    # A secret in ENV would stay in the image for whoever pulls it.
    assert not re.search(r"(KEYS?|PASSWORD|TOKEN|SECRET)\w*=", " ".join(environment))


def test_the_label_names_this_version(final):
    assert said(final, "ARG") == [f"VERSION={gateway.__version__}"]
    assert 'org.opencontainers.image.version="${VERSION}"' in said(final, "LABEL")[0]


def test_only_what_the_image_needs_enters_the_build():
    ignore = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    let_in = {line.removeprefix("!") for line in ignore if line.startswith("!")}
    copied = {
        source
        for stage in stages()
        for copy in said(stage, "COPY")
        if not copy.startswith("--from")
        for source in copy.split()[:-1]
        if not source.startswith("--")
    }

    assert ignore[0] == "*"
    assert copied == let_in
    assert any(fnmatch("gateway/web/__pycache__", line) for line in ignore[1:])


def test_the_health_check_asks_the_default_admin_port_unless_told():
    (line,) = said(stages()[-1], "HEALTHCHECK")

    assert "os.environ.get('HEADGATE_ADMIN__PORT', 9090)" in line
