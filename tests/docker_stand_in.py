"""A stand-in for docker: `run` and `exec` start the gateway of this checkout, on this machine, as this user.

What the documentation's commands rely on is checked as docker and the image would have it: a build context with a
Dockerfile, an image that was built, a mounted file that exists and that the image's user may read. A mounted folder is
found under its path in the container, because that path is replaced wherever the configuration names it.
DOCKER_STATE is the folder for what it must remember, DOCKER_GROUP the group of the image's user.
"""

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
STATE = Path(os.environ["DOCKER_STATE"])
GROUP = int(os.environ["DOCKER_GROUP"])
HEADGATE = [sys.executable, "-m", "gateway"]


def main() -> None:
    command, *arguments = sys.argv[1:]
    {"build": build, "run": run, "exec": execute}[command](arguments)


def build(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser("docker build", allow_abbrev=False)
    parser.add_argument("-t", dest="tag", required=True)
    parser.add_argument("context", type=Path)
    given = parser.parse_args(arguments)
    if not (given.context / "Dockerfile").is_file():
        sys.exit("docker: no Dockerfile in the build context")
    (STATE / "image").write_text(given.tag)


def run(arguments: list[str]) -> None:
    given = parsed(arguments)
    if not (STATE / "image").exists() or (STATE / "image").read_text() != given.image:
        sys.exit(f"docker: there is no image {given.image}")
    mounts = dict(mount_of(text) for text in given.volumes)
    environment = environment_of(given, mounts)
    command = [*HEADGATE, *(given.command or ["serve"])]
    if not given.detach:
        os.execve(command[0], command, environment)
    with (STATE / f"{given.name}.log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    (STATE / f"{given.name}.json").write_text(json.dumps({"pid": process.pid, "environment": environment}))


def execute(arguments: list[str]) -> None:
    name, program, *rest = arguments
    if program != "headgate":
        sys.exit(f"docker: there is no {program} in the image")
    container = json.loads((STATE / f"{name}.json").read_text())
    os.execve(HEADGATE[0], [*HEADGATE, *rest], container["environment"])


def parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("docker run", allow_abbrev=False)
    for flag in ("--rm", "--read-only"):
        parser.add_argument(flag, action="store_true")
    for option in ("--tmpfs", "--restart", "--name"):
        parser.add_argument(option)
    parser.add_argument("-d", dest="detach", action="store_true")
    parser.add_argument("-p", dest="ports", action="append", default=[])
    parser.add_argument("-v", dest="volumes", action="append", default=[])
    parser.add_argument("-e", dest="variables", action="append", default=[])
    parser.add_argument("image")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    return parser.parse_args(arguments)


def mount_of(text: str) -> tuple[str, Path]:
    """Path in the container and path here, of `HERE:THERE:ro`."""
    here, there, mode = text.split(":")
    path = Path(here)
    if not path.is_absolute() or mode != "ro":
        sys.exit(f"docker: {text} is not an absolute path, mounted read-only")
    if not path.exists():
        sys.exit(f"docker: {here} does not exist, and docker would make an empty folder of it")
    for each in [path, *path.rglob("*")]:
        if not may_read(each):
            sys.exit(f"docker: the image's user may not read {each}")
    return there, path


def may_read(path: Path) -> bool:
    """The image's user owns nothing here, so it reads by its group or as one of the others."""
    status = path.stat()
    needed = 0o5 if path.is_dir() else 0o4
    return status.st_mode >> (3 if status.st_gid == GROUP else 0) & needed == needed


def environment_of(given: argparse.Namespace, mounts: dict[str, Path]) -> dict[str, str]:
    """What the container's process would see, with paths and ports of this machine."""

    def here(text: str) -> str:
        for there, path in mounts.items():
            text = text.replace(there, str(path))
        return text

    image = {"HEADGATE_CONFIG": "/etc/headgate/gateway.yaml"}
    said = image | dict(text.split("=", 1) for text in given.variables)
    mounted = mounts.get(said["HEADGATE_CONFIG"], ROOT / "config" / "gateway.yaml")
    config = STATE / "gateway.yaml"
    config.write_text(here(mounted.read_text()))
    said = {name: here(value) for name, value in said.items()} | {"HEADGATE_CONFIG": str(config)}
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "SSL_CERT_FILE") if name in os.environ}
    return kept | said | (ports_of(given, config, said) if given.ports else {})


def ports_of(given: argparse.Namespace, config: Path, said: dict[str, str]) -> dict[str, str]:
    """The variables that make each published listener listen on its port of this machine."""
    # Only here: it takes a second, and most commands publish no port.
    from gateway.settings import load

    settings = load(config, said)
    listeners = {one.port: (name, one) for name, one in (("LISTEN", settings.listen), ("ADMIN", settings.admin))}
    published = {}
    for text in given.ports:
        outside, inside = re.fullmatch(r"(?:127\.0\.0\.1:)?(\d+):(\d+)", text).groups()
        name, options = listeners[int(inside)]
        # Docker sends what comes to a published port to the container's own address, never to its loopback.
        published[f"HEADGATE_{name}__PORT"] = outside if options.host == "0.0.0.0" else "0"
    return published


if __name__ == "__main__":
    main()
