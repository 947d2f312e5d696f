"""The documentation is true: tutorials work as printed, the reference has all that the code has, links lead somewhere.

`make docs` builds it, and fails for each warning; this needs no Sphinx.
"""

from __future__ import annotations

import ast
import os
import re
import socket
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from docs.extensions import benchmarks, commands, contract_attributes, exit_codes, http, settings
from tests.kit.cluster import Cluster
from tests.kit.tutorial import Tutorial, agrees, blocks, typed
from tests.test_house import ROOT
from verbwire.cli.exit_codes import Exit
from verbwire.contracts.schema.grammar import OURS
from verbwire.settings import Settings

DOCS = ROOT / "docs"
_LINK = re.compile(r"\]\((?!https?://|#)([^)#\s]+)(?:#[^)]*)?\)")


HERE = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.mark.kafka
def test_the_tutorial_on_kafka_does_what_it_says(cluster: Cluster, unique: str, tmp_path: Path) -> None:
    port = free_port()
    environment = HERE | {
        "VERBWIRE_BOOTSTRAP": cluster.bootstrap,
        "VERBWIRE_REGISTRY": cluster.registry_url,
        "VERBWIRE_PREFIX": unique,
        "VERBWIRE_HTTP_PORT": str(port),
        "VERBWIRE_HTTP_SECRET": "s" * 32,  # an embedded stack has one of its own
    }
    # The reader has a cluster and a port to himself.
    instead = {
        ":8700": f":{port}",
        "created topic ": f"created topic {unique}.",
        "registered ": f"registered {unique}.",
    }
    Tutorial(DOCS / "tutorial" / "light-switch.md", tmp_path, environment, instead).run()


def test_the_tutorial_in_memory_does_what_it_says(tmp_path: Path) -> None:
    Tutorial(DOCS / "tutorial" / "library.md", tmp_path, HERE, {}).run()


def test_tutorial_blocks_are_read_with_their_marks() -> None:
    page = "<!-- file: a/b.py -->\n```python\nx = 1\n```\n\nText.\n\n```console\n$ one \\\n> two\nshown\n$ three\n```\n"
    file, shell = blocks(page)
    assert (file.mark, file.what, file.text, file.line) == ("file", "a/b.py", "x = 1\n", 2)
    assert [(each.command, each.shown) for each in typed(shell)] == [("one \\\ntwo", "shown\n"), ("three", "")]


@pytest.mark.parametrize(
    ("shown", "printed", "agree"),
    [
        ("", "whatever", True),
        ("a\nb", "a\nb", True),
        ("a\nb", "a\nc", False),
        ("a ... c", "a b c", True),
        ("...\nlast", "first\nsecond\nlast", True),
        ("first\n...", "first\nsecond\nlast", True),
        ("first\n...", "second", False),
        ("switched: 1", "switched: 10", False),
    ],
)
def test_a_tutorials_output_is_compared_where_it_is_shown(shown: str, printed: str, agree: bool) -> None:
    assert agrees(shown, printed) is agree


def test_the_reference_of_settings_says_something_of_each() -> None:
    rows = list(settings.rows())
    assert len(rows) > 40
    # What its name says already has no comment in the class either.
    assert {name for name, *_, said in rows if not said} <= {f"`{each}`" for each in SELF_EXPLAINING}


SELF_EXPLAINING = ("project", "http_host", "http_port", "http_issuer", "http_audience", "scopes")


def test_the_reference_of_commands_has_all_with_what_they_do() -> None:
    found = dict(commands.commands())
    assert {"verbwire worker", "verbwire schemas generate", "verbwire dead-letters retry"} <= found.keys()
    assert [path for path, command in found.items() if not command.help] == []


def test_the_reference_of_exit_codes_says_when() -> None:
    lines = exit_codes.page().splitlines()
    assert len(lines) == 2 + len(Exit) + 1
    assert any("rejected" in line for line in lines if line.startswith("| 4 |"))


def test_the_page_of_performance_has_figures_beside_peers() -> None:
    page = benchmarks.page()
    for what in ("bare loop", "verbwire table", "Faust", "Quix Streams", "FastStream"):
        assert what in page


def test_the_reference_of_http_has_each_sort_of_path() -> None:
    page = http.page()
    for path in ("POST /commands/{Name}", "GET /queries/{Name}", "GET /outcomes/{token}", "GET /health/ready"):
        assert f"`{path}`" in page
    assert "`Verbwire-Position`" in page


def test_the_guide_to_contracts_names_each_attribute() -> None:
    said = (DOCS / "contracts.md").read_text("utf-8")
    assert [name for name in OURS if f"| `{name}` |" not in said] == []
    assert [name for name in OURS if name != "kind" and f"`{name}`" not in contract_attributes.page()] == []


def pages() -> Iterator[Path]:
    yield from ROOT.glob("*.md")
    yield from DOCS.rglob("*.md")
    yield from (ROOT / "tests").rglob("README.md")


def spoken_commands(text: str) -> Iterator[list[str]]:
    """The words of each ``verbwire ...`` that a page has as code, up to where the shell takes over."""
    shells = (block.text for block in blocks(text) if block.language in ("console", "sh"))
    lines = (line.removeprefix("$ ") for shell in shells for line in shell.splitlines())
    inline = re.findall(r"`(verbwire [^`]+)`", text)
    for code in (*inline, *(line for line in lines if line.startswith("verbwire "))):
        yield re.split(r" [#>|&]|;|\)", code)[0].split()


def of_today() -> list[Path]:
    """The pages that speak of the code as it is; decisions keep the words of their day."""
    return [page for page in DOCS.rglob("*.md") if page.name != "decisions.md"]


def test_the_commands_that_pages_name_are_there_with_their_options() -> None:
    known = dict(commands.commands())
    common = {"--root", "--verbose", "--help"}
    wrong = []
    for page in of_today():
        for words in spoken_commands(page.read_text("utf-8")):
            meant = [path for end in (3, 2) for path in known if f"{path} ".startswith(f"{' '.join(words[:end])} ")]
            options = {option for path in meant for each in known[path].params for option in each.opts}
            named = {word.partition("=")[0] for word in words if word.startswith("--")}
            if not (meant or words[1].startswith("-")) or named - options - common:
                wrong.append(f"{page.relative_to(ROOT)}: {' '.join(words)}")
    assert wrong == []


def test_the_metrics_that_pages_name_are_there() -> None:
    fixtures = {"verbwire_project", "verbwire_project_scope", "verbwire_stack", "verbwire_groups"}
    known = set(re.findall(r"verbwire_[a-z_]+", (DOCS / "metrics.md").read_text("utf-8")))
    named = {name for page in of_today() for name in re.findall(r"\bverbwire_[a-z_]+", page.read_text("utf-8"))}
    assert named - known - fixtures == set()


def test_the_settings_that_pages_name_are_there() -> None:
    known = {each.name for each in fields(Settings)}
    tables = [
        tomllib.loads(block.text)["tool"]["verbwire"]
        for page in of_today()
        for block in blocks(page.read_text("utf-8"))
        if block.language == "toml"
    ]
    assert len(tables) >= 4
    assert {name for table in tables for name in table} - known == set()


def test_the_documentations_python_can_be_parsed() -> None:
    fences = [
        (page, block)
        for page in DOCS.rglob("*.md")
        for block in blocks(page.read_text("utf-8"))
        if block.language == "python"
    ]
    assert len(fences) > 10
    for page, block in fences:
        compile(block.text, f"{page}:{block.line}", "exec", flags=ast.PyCF_ONLY_AST)


def test_the_documentations_links_lead_to_files() -> None:
    wrong = [
        f"{page.relative_to(ROOT)}: {link}"
        for page in pages()
        for link in _LINK.findall(page.read_text("utf-8"))
        if not (page.parent / link).exists()
    ]
    assert wrong == []
