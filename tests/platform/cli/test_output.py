"""The command line without a cluster: what it says to somebody new, in a pipe, in ASCII, and with what it ends."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path

import pytest

from tests.kit.cli import BORROW, apart, library, verbwire
from tests.kit.contract_projects import record
from verbwire.cli.output import print_error, print_table

LONG = "https://" + "a-rather-long-name." * 8 + "example"


def test_names_are_whole_in_a_pipe_and_the_same_as_json(tmp_path: Path) -> None:
    folder = library(tmp_path)
    shown = verbwire(folder, "config", VERBWIRE_REGISTRY=LONG)
    assert shown.returncode == 0
    (line,) = [each for each in shown.stdout.splitlines() if each.startswith("registry ")]
    assert line.split() == ["registry", LONG, "VERBWIRE_REGISTRY"]
    rows = json.loads(verbwire(folder, "config", "--json", VERBWIRE_REGISTRY=LONG).stdout)
    assert {"setting": "registry", "value": LONG, "from": "VERBWIRE_REGISTRY"} in rows


def test_the_version_is_that_of_the_installed_package(tmp_path: Path) -> None:
    said = verbwire(tmp_path, "--version")
    assert (said.returncode, said.stdout) == (0, f"{metadata.version('verbwire')}\n")


def test_an_error_is_one_line_however_long(tmp_path: Path) -> None:
    said = verbwire(library(tmp_path), "config", VERBWIRE_WORKER="w" * 300)
    assert said.returncode == 2
    assert said.stderr.count("\n") == 1
    assert "w" * 300 in said.stderr


def test_output_in_ascii_is_enough(tmp_path: Path) -> None:
    """`ß` and an ellipsis would be a traceback."""
    (tmp_path / "straße").mkdir()
    folder = library(tmp_path / "straße")
    for arguments in (["config"], ["check", "--json"], ["nonsense"]):
        said = apart(folder, *arguments, LC_ALL="C", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
        assert "Traceback" not in said.stderr
        assert (said.stdout + said.stderr).isascii()
        assert ("stra\\" in said.stdout) is (arguments != ["nonsense"])


def test_output_of_foreign_text_is_escaped_and_steers_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["id", "type"], [["\x1b[2J\x9b1m\u202e[bold]x[/]\n", "漢字"], ["a", "b"]])
    assert capsys.readouterr().out.splitlines() == [
        "id                               type",
        r"\x1b[2J\x9b1m\u202e[bold]x[/]\n  漢字",
        "a                                b",
    ]
    print_error("no broker at \x1b]0;x\x07 https://ann:p@ss@registry")
    assert capsys.readouterr().err == "no broker at \\x1b]0;x\\x07 https://***@registry\n"


def test_before_the_classes_are_generated_one_sentence_says_what_to_type(tmp_path: Path) -> None:
    folder = library(tmp_path)
    for command in ("worker", "deploy", "check"):
        said = verbwire(folder, command)
        assert said.returncode == 1
        assert "run `verbwire schemas generate`" in said.stdout + said.stderr
        assert "Traceback" not in said.stderr
    (finding,) = [each for each in json.loads(verbwire(folder, "check", "--json").stdout) if each["code"] == "import"]
    assert "cannot import name" in finding["message"]
    assert verbwire(folder, "schemas", "generate").returncode == 0
    assert verbwire(folder, "check").returncode == 0


def test_stale_classes_hide_no_other_finding(tmp_path: Path) -> None:
    folder = library(tmp_path)
    verbwire(folder, "schemas", "generate")
    more = {**BORROW, "fields": [*BORROW["fields"], {"name": "on", "type": "string", "default": ""}]}
    overdue = record("LoanOverdue", {"loan_id": "string"}, namespace="library.loans", kind="event", key="loan_id")
    library(folder, more, overdue)
    found = json.loads(verbwire(folder, "check", "--json").stdout)
    assert {"stale-classes", "verb-form", "not-compared"} <= {each["code"] for each in found}


def test_a_module_that_breaks_is_told_by_its_line_and_hides_nothing(tmp_path: Path) -> None:
    folder = library(tmp_path)
    verbwire(folder, "schemas", "generate")
    (folder / "streams" / "broken.py").write_text("\n\nraise KeyError('oh')\n", "utf-8")
    found = json.loads(verbwire(folder, "check", "--json").stdout)
    (told,) = [each for each in found if each["code"] == "import"]
    assert told["file"].endswith("streams/broken.py:3")
    assert told["message"] == "cannot be imported: KeyError: 'oh'"
    assert "not-compared" in {each["code"] for each in found}
    (folder / "streams" / "broken.py").write_text("\n\ndef oh(:\n", "utf-8")
    found = json.loads(verbwire(folder, "check", "--json").stdout)
    (told,) = [each for each in found if each["code"] == "import"]
    assert told["file"].endswith("streams/broken.py:3"), "of a file that was never run"


def test_a_table_without_handlers_is_told_by_check_and_worker(tmp_path: Path) -> None:
    folder = library(tmp_path)
    verbwire(folder, "schemas", "generate")
    file = folder / "streams" / "reports" / "lent.py"
    file.write_text(file.read_text("utf-8").partition("@lent.on")[0], "utf-8")
    for command in ("check", "deploy", "worker"):
        said = verbwire(folder, command)
        assert "table library.lent handles no event: add a handler with @on" in said.stdout + said.stderr


def test_ownership_of_a_context_has_to_be_said_where_nothing_tells(tmp_path: Path) -> None:
    folder = library(tmp_path, settings='imported = ["shop.orders"]\n')
    placed = record("OrderPlaced", {"order_id": "string"}, namespace="shop.orders", kind="event", key="order_id")
    sent = {**placed, "namespace": "shop.mails", "name": "MailSent"}
    library(folder, placed, sent, settings='imported = ["shop.orders"]\n')
    verbwire(folder, "schemas", "generate")
    found = [each for each in json.loads(verbwire(folder, "check", "--json").stdout) if each["code"] == "imported"]
    assert [each["message"].partition(" is taken")[0] for each in found] == ["shop.mails"]
    contradiction = verbwire(folder, "deploy", VERBWIRE_IMPORTED="library.loans")
    assert contradiction.returncode == 1 or contradiction.returncode == 2
    assert "imported (VERBWIRE_IMPORTED) names library.loans" in contradiction.stdout + contradiction.stderr


def test_a_project_is_found_by_flag_and_environment(tmp_path: Path) -> None:
    (tmp_path / "library").mkdir()
    folder = library(tmp_path / "library")
    for said in (
        verbwire(tmp_path, "--root", str(folder / "streams"), "schemas", "list"),
        verbwire(tmp_path, "--root", "library", "schemas", "list"),
        verbwire(tmp_path, "schemas", "list", VERBWIRE_ROOT="library"),
    ):
        assert said.returncode == 0
        assert "library.loans.BorrowBook" in said.stdout
    lost = verbwire(tmp_path, "schemas", "list")
    assert lost.returncode == 2
    assert "is not in a verbwire project" in lost.stderr


def test_exit_codes_are_those_of_the_table(tmp_path: Path) -> None:
    folder = library(tmp_path)
    assert verbwire(folder, "--help").returncode == 0
    assert verbwire(folder, "check").returncode == 1
    assert verbwire(folder, "check", "--no-such").returncode == 2
    assert verbwire(folder, "workers").returncode == 2  # no embedded Kafka runs, and no other is named
    verbwire(folder, "schemas", "generate")
    away = {"VERBWIRE_BOOTSTRAP": "127.0.0.1:1", "VERBWIRE_REGISTRY": "http://127.0.0.1:1"}
    assert verbwire(folder, "schemas", "list", **away).returncode == 0
    prune = verbwire(folder, "deploy", "--prune", **away)
    assert prune.returncode == 2
    assert "add --yes or --dry-run" in prune.stderr
