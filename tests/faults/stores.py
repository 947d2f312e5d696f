"""Are the local copies what the logs say? SQLite files, opened as they lie on the disk, after their workers stopped."""

from __future__ import annotations

import re
import sqlite3
from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tests.faults.changelogs import last_rows
from tests.faults.findings import Findings
from tests.faults.topics import Entry


@dataclass(frozen=True)
class LocalCopy:
    """What one worker's file holds of one partition."""

    path: Path
    partition: int
    rows: dict[bytes, bytes]
    answers: dict[str, bytes]


def local_copies(folder: Path, group: str, table: str) -> list[LocalCopy]:
    """Return every worker's files of the table."""
    paths = sorted(folder.rglob(f"{group}/{table}-*.db"))
    return [_read(path) for path in paths]


def check_copies(
    found: Findings,
    copies: list[LocalCopy],
    changelog: list[Entry],
    owners: dict[int, Path],
    answers: dict[int, dict[str, bytes]] | None = None,
) -> None:
    """Check that owners' copies equal the log, and that no copy holds what never was committed.

    `owners` says whose folder has each partition now; `answers` are the outcomes logged, by partition and command id.
    """
    now, ever = last_rows(changelog), _ever(changelog)
    owned = set()
    for copy in copies:
        for key, value in copy.rows.items():
            committed = value in ever[copy.partition, key]
            found.require(committed, "copy-leads", f"{copy.path}: the row of {key!r} never was committed")
        ledger = (answers or {}).get(copy.partition, {})
        for name, outcome in copy.answers.items():
            found.require(
                ledger.get(name) == outcome, "copy-leads", f"{copy.path}: the answer to {name} is not in the ledger"
            )
        if copy.path.is_relative_to(owners.get(copy.partition, Path("/nobody"))):
            owned.add(copy.partition)
            _compare(found, copy, now.get(copy.partition, {}), ledger if answers is not None else None)
    for partition in now.keys() - owned:
        found.add("copy-missing", f"the owner of partition {partition} has no copy of it")


def _compare(found: Findings, copy: LocalCopy, rows: dict[bytes, bytes], ledger: dict[str, bytes] | None) -> None:
    different = [key for key in rows.keys() | copy.rows.keys() if rows.get(key) != copy.rows.get(key)]
    found.require(not different, "copy-differs", f"{copy.path}: {len(different)} rows differ, {sorted(different)[:2]}")
    if ledger is not None:
        missing = ledger.keys() - copy.answers.keys()
        found.require(not missing, "copy-differs", f"{copy.path}: {len(missing)} answers are not remembered")


def _ever(changelog: list[Entry]) -> dict[tuple[int, bytes], set[bytes]]:
    values: dict[tuple[int, bytes], set[bytes]] = defaultdict(set)
    for entry in changelog:
        if entry.value is not None:
            values[entry.partition, entry.key].add(entry.value)
    return values


def _read(path: Path) -> LocalCopy:
    number = re.search(r"-(\d+)\.db$", path.name)
    assert number, path
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        rows = dict(connection.execute("select key, value from rows").fetchall())
        answers = dict(connection.execute("select id, outcome from answers").fetchall())
    return LocalCopy(path, int(number[1]), rows, answers)
