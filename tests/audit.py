"""Looks for known vulnerabilities in the packages of requirements.lock: `make audit`.

Without a network there is nothing to compare with. Then this says so and succeeds, so that `make check` works offline.
"""

import json
import subprocess
import sys
from collections.abc import Sequence

from rich.console import Console

LOCK = "requirements.lock"
COMMAND = (sys.executable, "-m", "pip_audit", "--requirement", LOCK, "--require-hashes", "--disable-pip")
OPTIONS = ("--format", "json", "--progress-spinner", "off", "--timeout", "5")
# What pip-audit says if its database can't be reached or does not answer as it should. Anything else is a failure.
UNREACHABLE = (
    "Could not connect",
    "ConnectionError",
    "Connection error",
    "Connect timeout",
    "timed out",
    "Max retries",
    # An error of the index, or a page that is not its answer, such as that of a network's sign-in.
    "ServiceError",
    "JSONDecodeError",
)
SECONDS = 120


def main(command: Sequence[str] = (*COMMAND, *OPTIONS)) -> int:
    """Print the result of *command*, which is pip-audit; return the exit status."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return unreachable()
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except ValueError:
        if any(word in done.stderr for word in UNREACHABLE):
            return unreachable()
        print(done.stderr, file=sys.stderr)
        return 1
    # A mirror of the index may have no such database, and know no package at all.
    return unreachable() if all("skip_reason" in package for package in packages) else report(packages)


def unreachable() -> int:
    Console().print("[yellow]Not audited:[/] the database of vulnerabilities can't be reached.")
    return 0


def report(packages: Sequence[dict[str, object]]) -> int:
    """Print what is known about *packages*; return 1 if any is vulnerable or could not be looked up."""
    console, failed = Console(), 0
    for package in packages:
        for known in package.get("vulns", []):
            failed = 1
            fixed = ", ".join(known["fix_versions"]) or "no version yet"
            console.print(f"[red]{package['name']} {package['version']}:[/] {known['id']}, fixed in {fixed}")
        if "skip_reason" in package:
            failed = 1
            console.print(f"[red]{package['name']}:[/] {package['skip_reason']}")
    if not failed:
        console.print(f"[green]{LOCK}: no known vulnerability in {len(packages)} packages.[/]")
    return failed


if __name__ == "__main__":
    sys.exit(main())
