"""Commands to their one receiver."""

from __future__ import annotations

from benchmarks.rounds import Round
from benchmarks.worker import Progress, Worker, follow

GROUP = "bench.desk.aggregate"


def measured(round: Round) -> None:
    """Decide, and write event, state row, outcome and offsets in transactions: by hand, and by an aggregate."""
    group = round.group("Aggregate: command -> event + state row + outcome + offsets, in transactions")
    place = round.place("desk")
    round.need(place, "sdk", "send")
    for name in ("transactions", "transactions_with_headers"):
        round.measure(group, place, "bare", name)
    with round.attempt("verbwire aggregate"), Worker(place, GROUP, round.folder(place)) as worker:
        progress = Progress(place, GROUP, "bench.desk.commands")
        name = "verbwire aggregate: SQLite, ids remembered, exactly once"
        round.add(group, follow(name, worker, progress, place.commands))
