"""What a run measures, section by section: those of each round, and those that are long enough to be run once.

``--only`` takes their names. A section is a function of a round (`rounds.Round`): it runs its cases side by side, and
needs nothing of another section but what `Round.need` makes where it is not there yet.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.rounds import Round
from benchmarks.sections import (
    asking,
    deciding,
    firing,
    growing,
    idling,
    producing,
    reading,
    rebuilding,
    restoring,
    sharing,
    table,
)


@dataclass(frozen=True)
class Section:
    """Something that can be measured by itself."""

    what: str
    measured: Callable[[Round], None]
    once: bool = False
    long: bool = False  # only with --long, or by its name


SECTIONS = {
    "publish": Section("events, until the broker has acknowledged the last", producing.events),
    "table": Section("events into a table, beside peers", table.measured),
    "restore": Section("the table's changelog into a new local copy", restoring.measured),
    "rebuild": Section("the table built anew, beside catching up and restoring", rebuilding.measured, once=True),
    "send": Section("commands, until the broker has acknowledged the last", producing.commands),
    "commands": Section("commands decided by an aggregate", deciding.measured),
    "asking": Section("commands whose outcome somebody waits for, by the client and over HTTP", asking.outcomes),
    "rows": Section("from an outcome to the row that it led to", asking.rows),
    "http": Section("rows, pages and searches over HTTP, forwarded too, beside bare Starlette", reading.measured),
    "workers": Section("two workers against one", sharing.measured),
    "restore-3m": Section("three million rows restored", restoring.long, once=True, long=True),
    "idle": Section("a worker of seven groups that has nothing to do", idling.measured, once=True),
    "time": Section("commands for later: how late, and a million that wait", firing.measured, once=True),
    "growth": Section("tables that grow, by ever new keys and by keys that repeat", growing.measured, once=True),
}
