"""Reads the configuration and reports every problem at once (promise 15).

1. `from_file` reads the YAML file into a tree of keys and values.
2. `from_environment` reads the variables: `HEADGATE_DRUPAL__URL` is `drupal.url`. `merge` puts them over the file.
3. `validated` makes Settings of the merged tree. Secrets are read from their files here (gateway/options.py).
   gateway/configuration/problems.py has the sentence for each mistake.
4. `Settings.conflicts` finds the problems between keys.

A problem is a pair of key and sentence. A value may be a secret, so no sentence repeats one.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml
from pydantic import ValidationError

from gateway.configuration.problems import described, keys_of
from gateway.settings import SHORT_API_KEY, Settings

PREFIX = "HEADGATE_"
# Variables that are not keys of the tree: the command reads the first, `from_environment` makes a client of the others.
NOT_KEYS = frozenset({"CONFIG", "API_KEY", "API_KEY_FILE"})
# `validated` checks the tree in rounds, and removes after each round what was wrong. No tree is deeper than this.
MOST_ROUNDS = 8


class ConfigurationError(Exception):
    """Everything that is wrong with a configuration: pairs of key and sentence, no values."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{key}: {sentence}" for key, sentence in problems))
        self.problems = problems


def load(path: Path | None, environ: Mapping[str, str], *, only: frozenset[str] | None = None) -> Settings:
    """Read the file, put the environment over it, check everything. Raises ConfigurationError with all problems.

    With *only*, problems outside of these outermost keys are ignored, and a key with such a problem keeps its default.
    """
    tree, file_problems = from_file(path) if path else ({}, [])
    problems = [*file_problems]
    variables = from_environment(environ, problems)
    for part in (tree, variables):
        infer_kind_of_store(part)
    merge(tree, variables)
    settings = validated(tree, problems)
    # The default replaces a wrong value. A conflict that this default causes is not reported.
    wrong = {outermost_key(key) for key, _ in problems}
    # If the file can't be read, no conflict is reported: the file may hold a key that seems to be missing.
    conflicts = [] if file_problems else [*settings.conflicts(), *short_api_keys(settings, environ)]
    problems += [(key, sentence) for key, sentence in conflicts if outermost_key(key) not in wrong]
    if only is not None:
        problems = file_problems + [(key, sentence) for key, sentence in problems if outermost_key(key) in only]
    if problems:
        raise ConfigurationError(problems)
    return settings


def from_file(path: Path) -> tuple[dict[str, object], list[tuple[str, str]]]:
    """Read the YAML file at *path*; return its tree, and a problem if it can't be read."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        return {}, [(str(path), f"can't be read ({error.strerror})")]
    # ValueError for a file that is not UTF-8, and for a date like 2026-13-45.
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        return {}, [(str(path), f"is not YAML (line {mark.line + 1})" if mark else "is not YAML")]
    if document is None:
        return {}, []
    return (document, []) if isinstance(document, dict) else ({}, [(str(path), "must be a mapping")])


def from_environment(environ: Mapping[str, str], problems: list[tuple[str, str]]) -> dict[str, object]:
    """Read the tree that the variables give: `HEADGATE_DRUPAL__URL` is drupal.url. Add to *problems*."""
    tree: dict[str, object] = {}
    # Sorted, so that HEADGATE_STORE comes before HEADGATE_STORE__URL and can't overwrite it.
    for name, text in sorted(environ.items()):
        if not name.startswith(PREFIX) or name.removeprefix(PREFIX) in NOT_KEYS:
            continue
        *parents, last = name.removeprefix(PREFIX).lower().split("__")
        node = tree
        for parent in parents:
            child = node.setdefault(parent, {})
            node = child if isinstance(child, dict) else {}
        try:
            node[last] = value_of(text)
        except (yaml.YAMLError, ValueError):
            problems.append((name, "is neither text nor a list or mapping in YAML"))
    add_only_client(tree, environ)
    return tree


def value_of(text: str) -> object:
    """Return the value of a variable; lists and mappings are written as YAML. Raises YAMLError, ValueError."""
    if text.startswith(("[", "{")):
        return yaml.safe_load(text)
    return None if text in ("", "null") else text


def add_only_client(tree: dict[str, object], environ: Mapping[str, str]) -> None:
    """Let HEADGATE_API_KEY, or HEADGATE_API_KEY_FILE, configure the only client."""
    key = {
        name: environ[variable]
        for name in ("api_key", "api_key_file")
        if (variable := PREFIX + name.upper()) in environ
    }
    headless = tree.setdefault("headless", {}) if key else None
    if isinstance(headless, dict):
        headless["clients"] = [{"id": "default", **key}]


def short_api_keys(settings: Settings, environ: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return a problem for each client whose apiKey is too short.

    HEADGATE_API_KEY is for first tries: if it is too short, that is only a warning.
    """
    if {f"{PREFIX}API_KEY", f"{PREFIX}API_KEY_FILE"} & environ.keys():
        return []
    clients = enumerate(settings.headless.clients)
    return [(f"headless.clients.{at}.api_key", SHORT_API_KEY) for at, client in clients if client.has_short_key]


def merge(onto: dict[str, object], other: Mapping[str, object]) -> None:
    """Put *other* over *onto*, key by key."""
    for key, value in other.items():
        known = onto.get(key)
        if isinstance(known, dict) and isinstance(value, dict):
            merge(known, value)
        else:
            onto[key] = value


def infer_kind_of_store(tree: dict[str, object]) -> None:
    """A store with a `url` is Redis, so HEADGATE_STORE__URL alone is enough."""
    store = tree.get("store")
    if isinstance(store, dict) and "kind" not in store and ("url" in store or "url_file" in store):
        store["kind"] = "redis"


def validated(tree: dict[str, object], problems: list[tuple[str, str]]) -> Settings:
    """Make Settings of *tree*; add to *problems*, and use the default for each value that is wrong."""
    for _ in range(MOST_ROUNDS):
        try:
            return Settings.model_validate(tree)
        except ValidationError as error:
            found = [(item, described(item, Settings)) for item in error.errors()]
            # What an earlier round removed may be missing here. The problem that this causes is not reported again.
            problems += [problem for _, problem in found if not follows(problem[0], problems)]
            for item, _ in found:
                remove(tree, keys_of(item["loc"], Settings))
    return Settings()


def follows(key: str, problems: Sequence[tuple[str, str]]) -> bool:
    """Return whether one of *problems* already explains a new problem with *key*.

    A problem that names *key* itself, or a key directly inside *key*, explains the new one.
    """
    wrong = [plain_key(other) for other, _ in problems]
    return plain_key(key) in {part for other in wrong for part in (other, other.rpartition(".")[0])}


def remove(tree: dict[str, object], keys: Sequence[int | str]) -> None:
    """Remove the innermost entry that *keys* lead to, together with its `…_file`.

    A list with a mistake is removed whole, and so is a mapping that lacks a key.
    """
    path: list[tuple[dict[str, object], str]] = []
    node: object = tree
    for key in keys:
        if not isinstance(node, dict):
            break
        path.append((node, str(key)))
        node = node.get(str(key))
    for parent, key in reversed(path):
        names = {key, f"{key}_file"} & parent.keys()
        for name in names:
            del parent[name]
        if names:
            return


def plain_key(key: str) -> str:
    """Return *key*, which may be a variable's name or the key of a secret's file, as it stands in the tree."""
    plain = key.removeprefix(PREFIX).lower().replace("__", ".") if key.startswith(PREFIX) else key
    return plain.removesuffix("_file")


def outermost_key(key: str) -> str:
    return plain_key(key).partition(".")[0]
