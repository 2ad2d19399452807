"""What is built in is pinned, listed, and compared with known vulnerabilities."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests import audit

ROOT = Path(__file__).parents[2]
CLEAN = {"name": "aiohttp", "version": "3.14.0", "vulns": []}
VULNERABLE = {"name": "redis", "version": "8.0.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["8.0.1"]}]}
SKIPPED = {"name": "rich", "skip_reason": "could not be audited"}


def locked():
    return dict(re.findall(r"^([a-z0-9-]+)==([^ ]+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE))


def saying(text, *, on="stdout", status=0):
    """A command in the place of pip-audit."""
    return (sys.executable, "-c", f"import sys; print({text!r}, file=sys.{on}); sys.exit({status})")


def found(*packages):
    return saying(json.dumps({"dependencies": packages}), status=int(VULNERABLE in packages))


def test_what_builds_the_package_is_pinned_exactly_and_is_what_the_tests_use():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    [builder] = project["build-system"]["requires"]

    assert re.fullmatch(r"hatchling==[0-9.]+", builder)
    assert f"{builder} " in (ROOT / "requirements-dev.lock").read_text()


@pytest.mark.parametrize(
    ("command", "status", "said"),
    [
        (found(CLEAN), 0, "no known vulnerability in 1 packages"),
        (found(CLEAN, VULNERABLE), 1, "redis 8.0.0: PYSEC-1, fixed in 8.0.1"),
        (found(CLEAN, SKIPPED), 1, "rich: could not be audited"),
        (found(SKIPPED, SKIPPED), 0, "Not audited: the database of vulnerabilities can't be reached."),
        (saying("ERROR: Could not connect to the service", on="stderr", status=1), 0, "Not audited"),
        (saying("a bug", on="stderr", status=1), 1, "a bug"),
    ],
)
def test_a_vulnerability_fails_and_a_database_that_is_away_does_not(capsys, command, status, said):
    assert audit.main(command) == status

    shown = capsys.readouterr()
    assert said in " ".join((shown.out + shown.err).split())


def test_make_check_audits():
    shown = subprocess.run(["make", "--dry-run", "check"], cwd=ROOT, capture_output=True, text=True, check=True)

    assert "python -m tests.audit" in shown.stdout


def test_the_bill_of_materials_lists_what_the_lock_pins(tmp_path):
    shown = subprocess.run(["make", "--dry-run", "sbom"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    [line] = [line for line in shown.replace("\\\n", "").splitlines() if "cyclonedx_py" in line]
    path = tmp_path / "sbom.json"

    subprocess.run(line.replace("dist/headgate.cdx.json", str(path)).split(), cwd=ROOT, check=True)

    document = json.loads(path.read_text())
    assert document["bomFormat"] == "CycloneDX"
    assert document["metadata"]["component"]["name"] == "headgate"
    assert {one["name"]: one["version"] for one in document["components"]} == locked()
    assert "SHA-256" in str(document["components"][0])
