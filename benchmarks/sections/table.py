"""The same events into a table: by hand, by verbwire, by its peers."""

from __future__ import annotations

import sys

from benchmarks.place import Place
from benchmarks.rounds import Round
from benchmarks.worker import Progress, Worker, follow

GROUP = "bench.orders"


def measured(round: Round) -> None:
    """Decode each event, and keep it under its key."""
    group = round.group("Table: each event decoded and kept under its key")
    place = round.place("orders")
    round.need(place, "bare", "produce")
    round.need(place, "sdk", "publish")
    for name in ("consume", "consume_past_headers", "consume_with_headers"):
        round.measure(group, place, "bare", name)
    with round.attempt("verbwire table"), Worker(place, GROUP, round.folder(place)) as worker:
        progress = Progress(place, GROUP, "bench.orders.events")
        name = "verbwire table: SQLite with an index, changelog, exactly once"
        round.add(group, follow(name, worker, progress, place.events))
    _peers(round, place)


def _peers(round: Round, place: Place) -> None:
    group = round.group("Table: each event decoded and kept under its key")
    pythons = {"faust_plain": sys.executable}
    if round.setup.peers:
        for module in ("faststream_dict", "quix_table"):
            if python := round.setup.peers.python_for(module, round.setup.say):
                pythons[module] = python
    for module, python in pythons.items():
        with round.attempt(module):
            for figure in round.told([python, "-m", f"benchmarks.peers.{module}", place.text()]):
                round.add(group, figure)
