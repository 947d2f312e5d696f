"""Is every row of a changelog the exact fold of its key's events, up to the inputs that the batch says it used?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from tests.faults.carts_model import Fields
from tests.faults.findings import Findings
from tests.faults.topics import Entry

INPUTS = "vw_inputs"
FoldStep = Callable[[Fields | None, str, Fields], Fields]


@dataclass(frozen=True, slots=True)
class Step:
    """One event as a table takes it in; `used` is the offset of the input that it came with, in the partition."""

    used: int
    key: bytes
    name: str
    event: Fields


class FoldOfLog:
    """The rows of one partition as they must be once all inputs below some offset are used."""

    def __init__(self, steps: list[Step], after: FoldStep) -> None:
        self.rows: dict[bytes, Fields] = {}
        self._steps = steps
        self._after = after
        self._done = 0

    def advance(self, until: int) -> set[bytes]:
        """Use the inputs below `until`; return the keys that this changes."""
        changed = set()
        while self._done < len(self._steps) and self._steps[self._done].used < until:
            step = self._steps[self._done]
            self.rows[step.key] = self._after(self.rows.get(step.key), step.name, step.event)
            changed.add(step.key)
            self._done += 1
        return changed

    def left(self) -> int:
        """How many events are not folded yet."""
        return len(self._steps) - self._done


def check_changelog(
    found: Findings, entries: list[Entry], steps: dict[int, list[Step]], topic: str, after: FoldStep
) -> None:
    """Check every row, batch by batch: `topic` is the input that the batches name."""
    logs: dict[int, list[Entry]] = defaultdict(list)
    for entry in entries:
        logs[entry.partition].append(entry)
    for partition in sorted(steps.keys() | logs.keys()):
        fold, batch, used = FoldOfLog(steps.get(partition, []), after), [], 0
        for entry in logs[partition]:
            if entry.key:  # without one it is no row, it only says how far the inputs are
                batch.append(entry)
            if INPUTS in entry.headers:
                until = _used(entry, topic)
                found.require(until > used, "row-twice", f"{_place(entry)} uses inputs to {until}, {used} were used")
                _check_batch(found, entry, batch, fold, fold.advance(until))
                batch, used = [], max(used, until)
        for entry in batch:
            found.add("row-half", f"{_place(entry)} stands behind the last batch")
        found.require(not fold.left(), "row-missing", f"partition {partition}: {fold.left()} events not in any row")


def _check_batch(found: Findings, last: Entry, batch: list[Entry], fold: FoldOfLog, changed: set[bytes]) -> None:
    for entry in batch:
        found.require(entry.key in changed, "row-twice", f"{_place(entry)} {entry.key!r}: none of its events is new")
        expected = fold.rows.get(entry.key)
        if entry.fields != expected:
            found.add("row-wrong", f"{_place(entry)} {entry.key!r}: {_difference(entry.fields, expected)}")
        changed.discard(entry.key)
    for key in changed:
        found.add("row-missing", f"{_place(last)}: its inputs hold events of {key!r}, but no row")


def last_rows(entries: list[Entry]) -> dict[int, dict[bytes, bytes]]:
    """Return the value of each key's last row, by partition; deleted ones are left out."""
    rows: dict[int, dict[bytes, bytes]] = defaultdict(dict)
    for entry in entries:
        if entry.value is None:
            rows[entry.partition].pop(entry.key, None)
        else:
            rows[entry.partition][entry.key] = entry.value
    return rows


def _used(entry: Entry, topic: str) -> int:
    for each in entry.headers[INPUTS].decode().split(","):
        name, _, offset = each.rpartition(":")
        if name == topic:
            return int(offset)
    return 0


def _difference(fields: Fields, expected: Fields | None) -> str:
    if expected is None:
        return "no event of it was used"
    return ", ".join(
        f"{name} {fields.get(name)!r:.60} not {expected[name]!r:.60}"
        for name in expected
        if fields.get(name) != expected[name]
    )


def _place(entry: Entry) -> str:
    return f"{entry.topic}/{entry.partition}/{entry.offset}"
