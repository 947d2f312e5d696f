"""The command line as its users have it: a folder that is a project, and output that is no terminal."""

from __future__ import annotations

import importlib
import io
import logging
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.kit.contract_projects import Json, project, record
from verbwire.cli import main
from verbwire.settings import ROOT

BORROW = record(
    "BorrowBook", {"loan_id": "string"}, namespace="library.loans", kind="command", key="loan_id", requires=[]
)
BORROWED = record("BookBorrowed", {"loan_id": "string"}, namespace="library.loans", kind="event", key="loan_id")
STATE = record("LoanState", {"loan_id": "string"}, namespace="library.loans", kind="state", key="loan_id")
LENT = record("LentRow", {"loan_id": "string"}, namespace="library.loans", kind="row", key="loan_id")
LOANS = """
from schemas.loans import BookBorrowed, BorrowBook, LoanState
from verbwire import Aggregate

loans = Aggregate("library.loans", state=LoanState)


@loans.handles
def borrow(command: BorrowBook, loan: LoanState | None) -> BookBorrowed:
    return BookBorrowed(loan_id=command.loan_id)


@loans.applies
def borrowed(loan: LoanState | None, event: BookBorrowed) -> LoanState:
    return LoanState(loan_id=event.loan_id)
"""
LENT_TABLE = """
from schemas.loans import BookBorrowed, LentRow
from verbwire import Table

lent = Table("library.lent", row=LentRow, parking=None)


@lent.on
def borrowed(row: LentRow | None, event: BookBorrowed) -> LentRow:
    return LentRow(loan_id=event.loan_id)
"""


def library(folder: Path, *schemas: Json, settings: str = "") -> Path:
    """Write a project of a lending library, classes not generated yet; return its folder."""
    (folder / "pyproject.toml").write_text(f'[tool.verbwire]\nproject = "library"\n{settings}', "utf-8")
    project(folder, *(schemas or (BORROW, BORROWED, STATE, LENT)))
    for file, source in (("consumers/loans.py", LOANS), ("streams/reports/lent.py", LENT_TABLE)):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(source, "utf-8")
    return folder


@dataclass(frozen=True)
class Said:
    """What a command has printed, and with what it ended."""

    returncode: int
    stdout: str
    stderr: str


def verbwire(folder: Path, *arguments: str, **environment: str) -> Said:
    """Run a command there in this process: nobody's terminal, no settings of the run but those given."""
    out, err = io.StringIO(), io.StringIO()
    logger = logging.getLogger("verbwire")
    level, status = logger.level, 0
    root, handlers = logging.getLogger(), logging.getLogger().handlers[:]
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        for name in [each for each in os.environ if each.startswith("VERBWIRE_")]:
            patch.delenv(name)
        patch.setenv(ROOT, "")  # that it is as it was, in the end: --root sets it
        for name, value in environment.items():
            patch.setenv(name, value)
        for name in _modules():
            patch.delitem(sys.modules, name)
        patch.setattr(sys, "path", [each for each in sys.path if not (Path(each) / "consumers").is_dir()])
        patch.setattr(sys, "argv", ["verbwire", *arguments])
        patch.setattr(sys, "stdin", io.StringIO())
        patch.chdir(folder)
        importlib.invalidate_caches()
        try:
            main()
        except SystemExit as end:
            status = int(end.code or 0)
        for name in _modules():
            del sys.modules[name]
    logger.setLevel(level)
    root.handlers[:] = handlers
    logging.captureWarnings(False)
    return Said(status, out.getvalue(), err.getvalue())


def _modules() -> list[str]:
    return [each for each in sys.modules if each.partition(".")[0] in ("schemas", "consumers", "streams", "producers")]


def apart(folder: Path, *arguments: str, **environment: str) -> Said:
    """The same in a process of its own, for what depends on how Python was started."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VERBWIRE_")}
    ran = subprocess.run(
        [sys.executable, "-c", "from verbwire.cli import main; main()", *arguments],
        cwd=folder,
        env={**kept, "COLUMNS": "80", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return Said(ran.returncode, ran.stdout, ran.stderr)


def place(bootstrap: str, registry_url: str, prefix: str) -> dict[str, str]:
    """The settings of a cluster."""
    return {"VERBWIRE_BOOTSTRAP": bootstrap, "VERBWIRE_REGISTRY": registry_url, "VERBWIRE_PREFIX": prefix}
