"""Commands whose outcome somebody waits for, few and many at a time, and the row that follows."""

from __future__ import annotations

from benchmarks.latency import IN_FLIGHT
from benchmarks.rounds import Round, beside, command
from benchmarks.worker import Worker

RECEIVER, TABLE = "bench.desk.aggregate", "bench.accepted"


def outcomes(round: Round) -> None:
    """By hand, by the client, over HTTP: one after the other with as many under way, the receivers side by side."""
    place = round.place("asking")
    with (
        beside(command("latency", "bare_receiver", place)),
        Worker(place, RECEIVER, round.folder(place)) as worker,
    ):
        worker.until(worker.ready)
        for in_flight in IN_FLIGHT:
            group = round.group(f"Asking, {in_flight} in flight: from sending a command to its outcome", "p50_ms")
            for name in ("bare", "verbwire", "http"):
                with round.attempt(f"asking {name}, {in_flight} in flight"):
                    for figure in round.told(command("latency", name, place, str(in_flight), *worker.asked())):
                        round.add(group, figure)


def rows(round: Round) -> None:
    """By the client."""
    place = round.place("rows")
    group = round.group("Reading one's own write: from an outcome to the row that it led to", "p50_ms")
    with Worker(place, RECEIVER, round.folder(place), TABLE) as worker:
        worker.until(worker.ready)
        for figure in round.told(command("latency", "rows", place, *worker.asked())):
            round.add(group, figure)
