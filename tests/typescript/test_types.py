"""A frontend in TypeScript compiles with the types that openapi-typescript makes of the OpenAPI document.

`make typescript` installs both programs, in the versions of package-lock.json.
"""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from gateway.web.headless import openapi
from gateway.web.headless.routes import ENDPOINTS

FOLDER = Path(__file__).parent
PROGRAMS = FOLDER / "node_modules" / ".bin"
ERROR = re.compile(r"^(\w+\.ts)\((\d+),\d+\): error TS\d+: ", re.MULTILINE)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """What the compiler writes about both files."""
    assert PROGRAMS.is_dir(), "run `make typescript` first"
    folder = tmp_path_factory.mktemp("typescript")
    (folder / "openapi.json").write_text(json.dumps(openapi.document(ENDPOINTS)))
    for name in ("frontend.ts", "mistakes.ts", "tsconfig.json"):
        shutil.copy(FOLDER / name, folder)
    run("openapi-typescript", "openapi.json", "--output", "headgate.ts", cwd=folder).check_returncode()
    return run("tsc", "--project", ".", cwd=folder).stdout


def run(program, *arguments, cwd):
    return subprocess.run(
        [PROGRAMS / program, *arguments], cwd=cwd, capture_output=True, text=True, timeout=120, check=False
    )


def test_a_frontend_that_branches_as_the_readme_does_compiles(compiled):
    assert [line for line in compiled.splitlines() if not line.startswith(("mistakes.ts", " "))] == []


def test_every_mistake_is_reported(compiled):
    lines = (FOLDER / "mistakes.ts").read_text().splitlines()
    mistakes = {number for number, line in enumerate(lines, start=1) if line.startswith("export")}

    assert len(mistakes) == 10
    assert {int(line) for file, line in ERROR.findall(compiled) if file == "mistakes.ts"} == mistakes


def test_the_lock_file_names_no_registry():
    assert "resolved" not in (FOLDER / "package-lock.json").read_text()
