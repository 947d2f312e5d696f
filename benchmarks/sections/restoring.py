"""The table's changelog into a new local copy."""

from __future__ import annotations

from functools import partial

from benchmarks.place import Place
from benchmarks.rounds import Round
from benchmarks.sections.table import GROUP
from benchmarks.worker import Progress, Worker, restored

LONG = 3_000_000


def measured(round: Round) -> None:
    """Start a worker that has lost its data."""
    place = round.place("orders")
    _fill(round, place, "publish")
    compare(round, place, "Restore: the rows of the changelog into a new local copy")


def long(round: Round) -> None:
    """The same, ten times as much, under keys in no order."""
    place = round.place("long-restore", events=LONG)
    _fill(round, place, "publish_scattered")
    compare(round, place, f"Restore of {LONG:,} rows", f"{LONG:,} rows")


def compare(round: Round, place: Place, title: str, name: str = "changelog into SQLite with its index") -> None:
    """Restore by hand, and by a worker whose table has read all events."""
    group = round.group(title)
    round.measure(group, place, "bare", "restore")
    worker = Worker(place, GROUP, round.folder(place))
    with round.attempt("verbwire restore"):
        worker.forget()
        round.add(group, restored(f"verbwire restore: {name}", worker, place.events))


def _fill(round: Round, place: Place, how: str) -> None:
    round.need(place, "sdk", how)
    with Worker(place, GROUP, round.folder(place)) as worker:
        progress = Progress(place, GROUP, "bench.orders.events")
        worker.until(partial(progress.reached, place.events), records=place.events)
