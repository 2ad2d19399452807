"""The documentation against the code: what stands there exists, and what exists stands there."""

import ast
import re
import subprocess
from http import HTTPStatus
from pathlib import Path

import pytest
import typer.main
import yaml

from gateway import errors
from gateway.cli import main
from gateway.configuration import NOT_KEYS, PREFIX, load
from gateway.telemetry.event_webhook import URGENT_EVENTS
from gateway.web.headless.routes import ENDPOINTS
from gateway.web.http import statuses as web_errors
from tests.unit.test_configuration_file import KEYS, shown_default

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md"))]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


def text_of(name):
    return (ROOT / name).read_text(encoding="utf-8")


def rows_of(text):
    """The cells of every table row."""
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows if not set(row[0]) <= set(" -:")]


def section_of(text, heading):
    """What stands under *heading*, up to the next one of its level."""
    level = heading.partition(" ")[0]
    return re.split(rf"^{level} ", text.partition(f"{heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def blocks_of(text, language):
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", text, re.DOTALL | re.MULTILINE)
    return [re.sub(rf"^{indent}", "", block, flags=re.MULTILINE) for indent, block in found]


# --- Links, commands, keys -------------------------------------------------------------------------------------------


def anchors_of(path):
    """GitHub's: lower case, punctuation dropped, spaces as dashes."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", NAMES)
def test_every_link_leads_somewhere(name):
    page = ROOT / name
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if target.startswith(("https://", "http://localhost")):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), target
        assert linked.is_relative_to(ROOT), target
        assert not anchor or anchor in anchors_of(linked), target


def test_every_page_can_be_reached_from_the_readme():
    seen, ahead = set(), [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        if page in seen:
            continue
        seen.add(page)
        links = re.findall(r"\]\(([^)\s#]+\.md)(?:#[^)]*)?\)", page.read_text())
        ahead += [(page.parent / link).resolve() for link in links if not link.startswith("https://")]

    assert set(PAGES) <= seen


@pytest.mark.parametrize("name", NAMES)
def test_every_make_target_that_is_named_exists(name):
    targets = set(re.findall(r"^([a-z-]+):", text_of("Makefile"), re.MULTILINE))

    assert set(re.findall(r"(?:`|^|\s{2}|\$ |&& )make ([a-z-]+)", text_of(name), re.MULTILINE)) <= targets


def commands():
    return set(typer.main.get_command(main.app).commands)


@pytest.mark.parametrize("name", [*NAMES, "config/gateway.yaml"])
def test_every_command_that_is_named_exists(name):
    named = re.findall(r"(?:`|^ *|\$\(|-- |\| )headgate ([a-z][a-z-]*)", text_of(name), re.MULTILINE)

    assert set(named) <= commands()


def test_the_readme_names_every_command():
    named = {
        match
        for row in rows_of(section_of(text_of("README.md"), "## Commands"))
        for match in re.findall(r"^`headgate ([a-z-]+)", row[0])
    }

    assert named == commands()


@pytest.mark.parametrize("name", [*NAMES, "config/gateway.yaml", "k8s/base/gateway.yaml"])
def test_every_variable_that_is_named_is_a_key(name):
    variables = {word.rstrip("_") for word in re.findall(rf"\b{PREFIX}[A-Z0-9_]+", text_of(name))}
    known = {PREFIX + key.upper().replace(".", "__") for key in KEYS} | {PREFIX + key for key in NOT_KEYS}
    # What Kubernetes would set, and what the documentation shows as a mistake.
    known |= {"HEADGATE_PORT", "HEADGATE_DRUPAL__ULR", "HEADGATE"}

    assert variables - known - {f"{key}_FILE" for key in known} == set()


def test_the_table_of_keys_is_complete_and_tells_the_defaults():
    told = {row[0]: row[1:3] for row in rows_of(section_of(text_of("docs/configuration.md"), "## Every key"))[1:]}

    assert told == {
        f"`{key}`": [
            "–"
            if key.startswith(("headless.clients.", "policy.by_role."))
            else f"`{PREFIX}{key.upper().replace('.', '__')}`",
            shown_default(default),
        ]
        for key, default in KEYS.items()
    }


SECRETS = {
    "keys": "k1:" + "A" * 43 + "=",
    "index-key": "A" * 43 + "=",
    "redis-url": "redis://127.0.0.1/0",
    "smtp-password": "secret",
    "api-key": "an-api-key-of-a-frontend",
    "sms-url": f"twilio://AC{'0' * 32}:{'f' * 32}@+12025550100/{{to}}",
    "voice-url": f"twilio://AC{'0' * 32}:{'f' * 32}@+12025550100/{{to}}?method=call",
    "whatsapp-url": f"twilio://AC{'0' * 32}:{'f' * 32}@12025550100/w:{{to}}",
    "vonage-key": "abcDEF01",
    "vonage-secret": "0123456789ABCdef",
    "sender-secret": "whsec_" + "A" * 43 + "=",
}


@pytest.fixture
def made(tmp_path):
    """Puts text that names secret files where it can be loaded; a file's name may have a frontend's behind it."""

    def here(text):
        for path in re.findall(r"/run/secrets/[\w-]+", text):
            name = path.rpartition("/")[2]
            (tmp_path / name).write_text(next(value for known, value in SECRETS.items() if name.startswith(known)))
        return text.replace("/run/secrets", str(tmp_path)).replace('"…"', f'"{"0" * 64}"')

    return here


def test_every_configuration_that_is_shown_can_be_used(made, tmp_path):
    tried = 0
    for name in NAMES:
        for block in blocks_of(text_of(name), "yaml"):
            shown = yaml.safe_load(block)
            if "apiVersion" in shown:
                continue
            tried += 1
            path = tmp_path / "gateway.yaml"
            path.write_text(made(block))
            environment = {} if "clients" in shown.get("headless", {}) else {"HEADGATE_API_KEY": "made"}
            assert load(path, environment), block

    assert tried >= 4


def test_the_environment_that_is_shown_can_be_used_in_the_image(made):
    (block,) = [one for one in blocks_of(text_of("README.md"), "sh") if "-e HEADGATE_" in one]
    environment = dict(re.findall(r"-e (\w+)=(\S+)", made(block)))

    settings = load(ROOT / "config" / "gateway.yaml", environment)

    assert settings.store.kind == "redis"
    assert settings.sealer()
    assert settings.headless.clients[0].api_key.get_secret_value() == SECRETS["api-key"]


# --- Errors and events -----------------------------------------------------------------------------------------------


def kinds_of(root):
    return {root} | {kind for child in root.__subclasses__() for kind in kinds_of(child)}


def words():
    """Every word that an error has, with the statuses that it may be answered with."""
    ours = {kind for kind in kinds_of(errors.GatewayError) if kind.__module__.startswith("gateway.")}
    named = {(kind.word, int(web_errors.status_of(kind))) for kind in ours if kind is not web_errors.HttpError}
    return named | {(word, int(status)) for status, (word, _) in web_errors.WORDS.items()}


def test_the_table_of_errors_is_complete_and_tells_the_statuses():
    rows = rows_of(section_of(text_of("docs/api.md"), "## Errors"))[1:]

    assert {(row[1].strip("`"), int(row[0])) for row in rows} == words()
    assert all(HTTPStatus(int(row[0])) for row in rows)


def test_every_endpoint_has_a_heading():
    headings = re.findall(r"^## ([\w ]+)$", text_of("docs/api.md"), re.MULTILINE)

    assert {endpoint.name.replace("_", " ").capitalize() for endpoint in ENDPOINTS} <= set(headings)


LEVELS = {"debug", "info", "warning", "error", "critical", "exception"}


class Events(ast.NodeVisitor):
    """The names of the events that a module logs; `{…}` stands for what is only known at run time."""

    def __init__(self):
        self.names = set()
        self.levels = {}
        self._functions = []

    def visit_FunctionDef(self, node):
        self._functions.append(node)
        self.generic_visit(node)
        self._functions.pop()

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815  # the visitor's own name

    def visit_Call(self, node):
        if node.args and self._logs(node.func):
            names = self._said(node.args[0])
            self.names |= names
            if isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS:
                self.levels |= {name: self.levels.get(name, set()) | {node.func.attr} for name in names}
        self.generic_visit(node)

    @staticmethod
    def _logs(called):
        match called:
            case ast.Attribute(value=ast.Name(id="log"), attr=attribute):
                return attribute in LEVELS
            case (
                ast.Name(id="say")
                | ast.Attribute(attr="_tell")
                | ast.Call(func=ast.Name(id="getattr"), args=[ast.Name(id="log"), *_])
            ):
                return True
        return False

    def _said(self, name):
        match name:
            case ast.Constant(value=str(text)):
                return {text}
            case ast.JoinedStr(values=parts):
                return {
                    "".join(
                        part.value if isinstance(part, ast.Constant) else f"{{{ast.unparse(part.value)}}}"
                        for part in parts
                    )
                }
            case ast.IfExp(body=one, orelse=other):
                return self._said(one) | self._said(other)
            case ast.Name(id=variable):
                function = self._functions[-1]
                if variable in {argument.arg for argument in function.args.args}:
                    return set()  # Whoever calls it says which.
                values = [
                    one.value
                    for one in ast.walk(function)
                    if isinstance(one, ast.Assign)
                    and any(isinstance(to, ast.Name) and to.id == variable for to in one.targets)
                ]
                if values:
                    return set().union(*map(self._said, values))
        return {f"{{{ast.unparse(name)}}}"}


@pytest.fixture(scope="module")
def logged():
    events = Events()
    for path in (ROOT / "gateway").rglob("*.py"):
        events.visit(ast.parse(path.read_text(encoding="utf-8")))
    return events


# Of each endpoint its own: `gateway/web/headless/log_events.py` has the names.
OUTCOMES = {"{events.refusal(error)}", "{events.ok}", "{events.client_gone}", "{events.internal}"}


def documented():
    """Event → level, in the order of docs/events.md."""
    rows = rows_of(text_of("docs/events.md"))
    return {row[0].strip("`"): row[1] for row in rows if re.fullmatch(r"`[\w.]+\.[\w]+`", row[0])}


def test_every_event_is_documented_and_every_documented_event_is_logged(logged):
    names = logged.names
    assert names >= OUTCOMES

    assert {name for name in documented() if not name.startswith("ENDPOINT.")} == names - OUTCOMES


def test_every_event_is_documented_with_its_level(logged):
    told = documented()

    for name, levels in logged.levels.items():
        # A level that is only chosen at run time can't be read here.
        assert name not in told or levels <= set(told[name].split(", ")), name


def test_every_outcome_of_every_endpoint_is_documented():
    text = text_of("docs/events.md")
    told = {name.removeprefix("ENDPOINT.") for name in documented() if name.startswith("ENDPOINT.")}
    # Refused before there is an endpoint.
    unrouted = {"not_found", "method", "misdirected"}
    # Answers of the guard's, whose events are its own.
    unrouted |= {"login_blocked", "session_ended", "password_grant"}

    assert told == {word for word, _ in words()} - unrouted | {"ok", "client_gone"}
    endpoints = re.search(r"^`ENDPOINT` is (.*)\.$", text, re.MULTILINE)[1]
    assert set(re.findall(r"`(\w+)`", endpoints)) == {endpoint.name for endpoint in ENDPOINTS} | {
        "headless",
        "challenge",
    }


def test_the_events_that_the_webhook_tells_are_listed():
    (listed,) = re.findall(r"the gateway posts (.*?) as they happen", text_of("docs/events.md"), re.DOTALL)

    assert set(re.findall(r"`([\w.]+)`", listed)) == URGENT_EVENTS


def test_every_warning_of_an_outcome_is_told_as_one():
    from gateway.web.http.endpoint_events import WARNED

    levels = {
        name.removeprefix("ENDPOINT."): level for name, level in documented().items() if name.startswith("ENDPOINT.")
    }

    warned = {kind.word for root in WARNED for kind in kinds_of(root)}
    assert {word for word, level in levels.items() if level == "warning"} == warned
    assert levels["internal"] == "error"


# --- What has no place in the tree -----------------------------------------------------------------------------------


def tracked():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    paths = [ROOT / name for name in listed.split("\0") if name]
    return [path for path in paths if path.is_symlink() or path.is_file()]


def content(path):
    """What git keeps of it: of a link, where it leads."""
    return str(path.readlink()).encode() if path.is_symlink() else path.read_bytes()


def test_nothing_speaks_of_a_machine_or_a_mirror():
    # Folders of whoever builds it, and options that name a package mirror.
    private = re.compile(
        rb"(?<![\w.])/(?:home|Users|root|work|workspace|builds)/\w|--(?:extra-)?index-url|--find-links|--trusted-host \S"
    )

    found = [
        (str(path.relative_to(ROOT)), match.group().decode())
        for path in tracked()
        if path != Path(__file__) and (match := private.search(content(path)))
    ]

    assert found == []


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-demo.lock", "requirements-dev.lock"])
def test_the_lock_files_name_no_host(name):
    assert "://" not in text_of(name)
