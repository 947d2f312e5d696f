"""A table built anew beside the one that serves, beside how that one got there: catching up, and restored."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.cluster import verbwire
from benchmarks.place import SHOP
from benchmarks.rounds import Round
from benchmarks.sections.table import GROUP
from benchmarks.worker import DEADLINE, SLOWEST, Progress, Worker, cpu_of, follow, restored

_TOPIC = "bench.orders.events"


def measured(round: Round) -> None:
    """The bare loop, a worker that catches up, `verbwire rebuild` of the same table, and its restore."""
    place = round.place("rebuild")
    round.need(place, "sdk", "publish")
    group = round.group("Rebuild: a table built anew from its events")
    round.measure(group, place, "bare", "consume_past_headers")
    worker = Worker(place, GROUP, round.folder(place))
    with round.attempt("verbwire table"), worker:
        caught_up = Progress(place, GROUP, _TOPIC)
        round.add(group, follow("verbwire table: a worker that catches up", worker, caught_up, place.events))
        with round.attempt("verbwire rebuild"), _rebuilding(worker, round.folder(place)) as command:
            built = Progress(place, f"{GROUP}.1", _TOPIC)
            round.add(group, follow("verbwire rebuild: beside that worker", command, built, place.events))
    with round.attempt("verbwire restore"):
        worker.forget()
        round.add(group, restored("verbwire restore: the rows of the same table", worker, place.events))


@dataclass(frozen=True)
class _Command:
    """`verbwire rebuild` as `follow` watches it."""

    process: psutil.Popen
    log: Path

    def until(self, condition: Callable[[], bool], every: float = 0.02, records: int = 0) -> None:
        deadline = time.monotonic() + DEADLINE + records / SLOWEST
        while not condition():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the rebuild did not get there:\n{self.log.read_text()[-4000:]}")
            time.sleep(every)

    def cpu(self) -> float:
        return cpu_of(self.process)


@contextmanager
def _rebuilding(worker: Worker, folder: Path) -> Iterator[_Command]:
    log, env = folder / "rebuild.log", {**worker.environment, "VERBWIRE_DATA": str(folder / "rebuild")}
    with log.open("w") as out:
        process = psutil.Popen([verbwire(), "rebuild", GROUP, "--follow"], cwd=SHOP, env=env, stdout=out, stderr=out)
    try:
        yield _Command(process, log)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
