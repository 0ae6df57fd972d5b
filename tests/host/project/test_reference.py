"""The reference pages name what the code has: everything, and nothing else."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from boards import errors as board_errors
from docs import reference
from sealcore import errors as seal_errors
from sealcore import grants, messages
from tests.host.project.test_commands import command_of, options_of
from triseal import errors as host_errors
from triseal import metadata
from triseal.cli import node_settings
from triseal.sim.parameters import Parameters
from triseal.sim.plan import Wish
from triseal.site.home import Founding
from triseal.site.server.limits import Limits
from triseal.site.server.metrics import Metrics
from triseal.site.server.process import Options
from triseal.site.views.figures import Figures
from triseal.store.server.metrics import Metrics as StoreMetrics

ROOT = Path(__file__).resolve().parents[3]
REFERENCE = (ROOT / "host/REFERENCE.md").read_text(encoding="utf-8")
SERVICES = (ROOT / "device/SERVICES.md").read_text(encoding="utf-8")
DEVICE = ROOT / "device" / "nlsm"
# What the node puts into its settings itself, for a moment.
NOT_WRITTEN = {"enrol", "failed"}  # in memory only


def section(page: str, heading: str) -> str:
    """What stands below a heading, up to the next one of its level or above."""
    level = len(heading) - len(heading.lstrip("#"))
    found = re.search(
        rf"^{re.escape(heading)}\n(.*?)(?=^#{{1,{level}}} |\Z)", page, re.MULTILINE | re.DOTALL
    )
    assert found, heading
    return found[1]


def rows(page: str, heading: str) -> list[list[str]]:
    """The cells of all tables below a heading, without the heads of the tables."""
    lines = section(page, heading).splitlines()
    return [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in lines
        if line.startswith("| ") and not line.startswith("| | ")
    ]


def names(page: str, heading: str) -> list[str]:
    """All code in the first cells below a heading."""
    return [name for row in rows(page, heading) for name in re.findall(r"`([^`]+)`", row[0])]


def constants(module: str) -> dict[str, int]:
    """The numbers that a module gives names to; those of a node can't be imported here."""
    package, name = module.split(".")
    folder = {"nlsm": DEVICE, "sealcore": ROOT / "common" / "sealcore"}[package]
    tree = ast.parse((folder / f"{name}.py").read_text(encoding="utf-8"))
    found = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            value = node.value.args[0] if isinstance(node.value, ast.Call) else node.value
            if isinstance(value, ast.Constant) and isinstance(value.value, int):
                found[node.targets[0].id] = value.value
    return found


def test_the_error_codes_are_those_of_the_code() -> None:
    """To mend the page: PYTHONPATH=tools .venv/bin/python -m docs.reference"""
    assert reference.page(REFERENCE) == REFERENCE


def test_no_error_code_is_left_out() -> None:
    listed = {code for table in reference.codes().values() for code, _, _ in table}
    roots = (host_errors.Failure, board_errors.BoardError)
    pending = [one for root in roots for one in root.__subclasses__()]
    while pending:
        one = pending.pop()
        if one.__module__.split(".")[0] in ("triseal", "boards"):
            assert one.code in listed, one
            pending += one.__subclasses__()
    described = re.findall(r"^([A-Z]\w+)  ", seal_errors.__doc__ or "", re.MULTILINE)
    assert len(described) > 30
    for name in described:
        assert getattr(seal_errors, name).code in listed, name


def test_a_page_without_its_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="marks"):
        reference.page("# Reference\n")


PAGES = (
    ("## Metrics", "site/server", lambda: Metrics().text(Figures())),
    ("## Metrics of a Store", "store/server", lambda: StoreMetrics().text({}, None, None)),
)
TITLES = [title for title, *_ in PAGES]


@pytest.mark.parametrize(("title", "page"), [(row[0], row[2]) for row in PAGES], ids=TITLES)
def test_metrics(title: str, page: Callable[[], bytes]) -> None:
    text = page().decode()
    kinds = dict(re.findall(r"^# TYPE (triseal_\w+) (\w+)$", text, re.MULTILINE))
    table = {row[0].strip("`").partition("{")[0]: row[1] for row in rows(REFERENCE, title)[1:]}
    kinds = {name: kind for name, kind in kinds.items() if not name.endswith("_created")}
    assert table == kinds


@pytest.mark.parametrize(("title", "folder"), [row[:2] for row in PAGES], ids=TITLES)
def test_labels_of_metrics(title: str, folder: str) -> None:
    sources = [ROOT / "host/triseal" / one for one in ("serving/series.py", f"{folder}/metrics.py")]
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in sources]
    in_code = {}
    for node in (node for tree in trees for node in ast.walk(tree)):
        made = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
        if isinstance(node, ast.Call) and made in ("self._gauge", "self._counter"):
            total = "_total" if made == "self._counter" else ""
            labels = [ast.literal_eval(label) for label in node.args[2:]]
            in_code[ast.literal_eval(node.args[0]) + total] = labels
    found = names(REFERENCE, title)
    assert {
        name.partition("{")[0]: re.findall(r"\w+", name.partition("{")[2]) for name in found
    } == in_code


def test_the_page_of_operations_names_no_other_metric() -> None:
    text = (ROOT / "host/OPERATIONS.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\btriseal_[a-z_]+", text))
    known = {name.partition("{")[0] for title in TITLES for name in names(REFERENCE, title)}
    assert named <= known


KINDS = (
    grants.PUBLISH,
    grants.SUBSCRIBE,
    grants.PIN,
    grants.TIMER,
    grants.CONFIG,
    grants.LOG,
)


@pytest.mark.parametrize(("page", "heading"), [(REFERENCE, "### Grants"), (SERVICES, "## Grants")])
def test_grants(page: str, heading: str) -> None:
    text = section(page, heading).partition("\n###")[0]
    written = re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)
    assert sorted(one.partition(":")[0] for one in written) == sorted(KINDS)
    known = (value for name, value in vars(grants).items() if name.isupper())
    assert {value for value in known if isinstance(value, str)} == set(KINDS)


@pytest.mark.parametrize(
    ("page", "heading"), [(REFERENCE, "### Metadata keys"), (SERVICES, "## Metadata")]
)
def test_metadata_keys(page: str, heading: str) -> None:
    assert sorted(names(page, heading)) == sorted(metadata._KNOWN)


@pytest.mark.parametrize(
    ("page", "heading"),
    [
        (REFERENCE, "### States of a service"),
        ((ROOT / "common/PROTOCOL.md").read_text(encoding="utf-8"), "## States of a service"),
    ],
)
def test_states(page: str, heading: str) -> None:
    table = rows(page, heading)[1:]
    words = [re.findall(r"`([^`]+)`", " ".join(row[:2]))[0] for row in table]
    assert words == list(messages.STATES)


def test_states_and_transitions_of_the_page_for_authors() -> None:
    head, *table = rows(SERVICES, "## States")
    assert head[0] == "state"
    count = len(messages.STATES)
    assert [row[0].strip("`") for row in table[:count]] == list(messages.STATES)
    transitions = table[count + 1 :]
    assert len(transitions) > 10
    named = {
        word for row in transitions for cell in (row[0], row[-1]) for word in cell.split("`")[1::2]
    }
    assert named == set(messages.STATES), "each state is in a transition, and nothing else"


def test_causes_of_a_reset() -> None:
    tree = ast.parse((DEVICE / "board.py").read_text(encoding="utf-8"))
    (words,) = (
        ast.literal_eval(node.value.args[0]).split()[1::2]
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Call)
        and ast.unparse(node.targets[0]) == "_CAUSES"
    )
    assert set(names(REFERENCE, "### Causes of a reset")) == {*words, "unknown"}


def settings_read() -> set[str]:
    """Keys that the node's code looks up in its settings."""
    found = set()
    for path in DEVICE.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        lookup = r'settings(?:"\])?(?:\[|\.get\(|\.pop\()"(\w+)"'
        found |= set(re.findall(lookup, text))
        found |= set(
            re.findall(r'"(\w+)" (?:not )?in (?:self\.|node\.|self\.node\.)?settings', text)
        )
    return found


def test_settings_of_a_node() -> None:
    written = set(node_settings.of(0, [], "host:1", "wifi", 1, 60, 60))
    source = (ROOT / "host/triseal/cli/node_image.py").read_text(encoding="utf-8")
    (named,) = re.findall(r"named = \{(.*?)\*\*settings", source)
    written |= set(re.findall(r'"(\w+)":', named))
    assert settings_read() >= {"server", "wifi", "watchdog", "grace", "config", "spread", "token"}
    assert set(names(REFERENCE, "## Settings of a node")) & written == written
    known = (settings_read() - NOT_WRITTEN) | written
    listed = [row[0].strip("`") for row in rows(REFERENCE, "## Settings of a node")[1:]]
    assert sorted(listed) == sorted(known)


@pytest.mark.parametrize(
    ("kind", "heading"),
    [
        (Founding, "### Made once: `triseal site init`"),
        (Options, "### At each start: `triseal site serve`"),
        (Limits, "### Limits of a server process"),
        (Parameters, "## Settings of a simulation"),
    ],
)
def test_settings_of_a_site_and_of_a_simulation(kind: type, heading: str) -> None:
    assert dataclasses.is_dataclass(kind)
    fields = {field.name: field for field in dataclasses.fields(kind)}
    table = rows(REFERENCE, heading)[1:]
    listed = [name for row in table for name in re.findall(r"`([^`]+)`", row[0])]
    if kind is Parameters:  # the second table below that heading is of wishes
        wishes = dataclasses.fields(Wish)
        assert listed[-len(wishes) :] == [field.name for field in wishes]
        listed = listed[: -len(wishes)]
        table = table[: len(fields)]
    assert sorted(listed) == sorted(fields)
    if kind in (Limits, Parameters):
        for row in table:
            known = [fields[name].default for name in re.findall(r"`([^`]+)`", row[0])]
            written = [part.strip(" `") for part in row[-1].split(",")]
            assert written == [
                f"{value:g}" if isinstance(value, float) else str(value) for value in known
            ], row


# Options that say where state is, how a key is unlocked, and how to print.
SHARED = {
    "--no-passphrase",
    "--passphrase-file",
    "--home",
    "--json",
    "--help",
    "-h",
}


@pytest.mark.parametrize(
    ("heading", "command", "others"),
    [
        ("## Settings of a Store", ["store", "init"], set()),
        ("### Made once: `triseal site init`", ["site", "init"], {"--root-passphrase-file"}),
        ("### At each start: `triseal site serve`", ["site", "serve"], {"--log-level"}),
        (
            "## Settings of a node",
            ["node", "provision"],
            {"--port", "--node", "--replace", "--clean", "--keep"},
        ),
    ],
)
def test_options_of_settings(heading: str, command: list[str], others: set[str]) -> None:
    text = section(REFERENCE, heading)
    named = set(re.findall(r"`(--[a-z-]+)`", text))
    options = {name for name in options_of(command_of(command)[0]) if name.startswith("-")}
    assert named == options - SHARED - others


def test_environment_variables() -> None:
    used = set()
    for folder in ("host/triseal", "tools/boards"):
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            used |= set(re.findall(r'"(TRISEAL_[A-Z_]+|MICROPYTHON)"', text))
    assert sorted(names(REFERENCE, "## Environment variables")) == sorted(used)


def test_what_ctx_has() -> None:
    """Headings such as `ctx.publish(topic, value)` are the attributes and methods of Context."""
    tree = ast.parse((DEVICE / "context.py").read_text(encoding="utf-8"))
    (context,) = (node for node in tree.body if isinstance(node, ast.ClassDef))
    in_code = set()
    for node in ast.walk(context):
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            in_code.add(f"{node.name}({', '.join(one.arg for one in node.args.args[1:])})")
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            in_code.add(node.attr)
    public = {name for name in in_code if not name.startswith("_")}
    assert set(re.findall(r"^### `ctx\.([^`]+)`$", SERVICES, re.MULTILINE)) == public


@pytest.mark.parametrize("row", rows(SERVICES, "## Limits")[1:], ids=lambda row: row[2].strip("`"))
def test_limits_of_a_service(row: list[str]) -> None:
    module, _, name = row[2].strip("`").rpartition(".")
    known = constants(module)
    assert int(row[1]) == known[name]


def test_the_modules_of_this_page_are_there() -> None:
    for path in re.findall(r"`(triseal\.[a-z_.]+)\.[A-Z]\w+`", REFERENCE):
        importlib.import_module(path)
