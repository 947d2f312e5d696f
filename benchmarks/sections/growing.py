"""Tables that grow: what an event costs when there are few rows, and when there are many."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.figures import Figure
from benchmarks.place import Place
from benchmarks.results import Group
from benchmarks.rounds import Round
from benchmarks.sections.restoring import compare
from benchmarks.sections.table import GROUP
from benchmarks.worker import Progress, Worker

SLICE = 300_000  # events whose cost is told
MARKS = (300_000, 1_000_000, 3_000_000, 10_000_000)  # events after which it is
_EVERY = 0.25


@dataclass(frozen=True)
class Sample:
    """How far a worker is, and what it has taken for that."""

    events: int
    seconds: float
    cpu: float
    memory: int
    disk: int


def measured(round: Round) -> None:
    """Keys in no order, as identifiers are: ever new ones, and a hundred thousand that repeat."""
    for kind, case in (("unique", "publish_scattered"), ("repeating", "publish_repeating")):
        with round.attempt(f"growth, {kind} keys"):
            place = round.place(f"growing-{kind}", events=round.sizes.grown)
            round.need(place, "sdk", case)
            group = round.group(f"Growth: a table with one index, {kind} keys", "cpu_us")
            samples = _follow(round, place)
            _add(round, group, kind, samples)
            round.add_curve(f"{kind} keys", list(_curve(samples)))
            if kind == "unique" and place.events > SLICE:
                rows = f"{place.events:,} rows"
                compare(round, place, f"Restore of {rows}", f"{rows} of a table that grew")


def _follow(round: Round, place: Place) -> list[Sample]:
    progress = Progress(place, GROUP, "bench.orders.events")
    with Worker(place, GROUP, round.folder(place)) as worker:
        worker.until(lambda: progress.committed() > 0)
        samples = [_sample(worker, progress)]
        while samples[-1].events < place.events:
            time.sleep(_EVERY)
            worker.until(lambda: True)  # raises where it has died
            samples.append(_sample(worker, progress))
    return samples


def _sample(worker: Worker, progress: Progress) -> Sample:
    memory = worker.process.memory_info().rss
    return Sample(progress.committed(), time.perf_counter(), worker.cpu(), memory, worker.kept())


def _add(round: Round, group: Group, kind: str, samples: Sequence[Sample]) -> None:
    for mark in (each for each in MARKS if each <= samples[-1].events):
        first = next(each for each in samples if each.events >= mark - SLICE)
        last = next(each for each in samples if each.events >= mark)
        round.add(group, _figure(f"{kind} keys, from {mark - SLICE:,} to {mark:,}", first, last))


def _curve(samples: Sequence[Sample]) -> Iterator[tuple[int, float]]:
    """Yield what an event cost, a hundredth of all at a time."""
    before, step = samples[0], samples[-1].events / 100
    for each in samples:
        if each.events - before.events >= step:
            yield each.events, (each.cpu - before.cpu) / (each.events - before.events) * 1e6
            before = each


def _figure(name: str, first: Sample, last: Sample) -> Figure:
    events, cpu = last.events - first.events, last.cpu - first.cpu
    more = {"cpu_us": cpu / events * 1e6, "memory_mb": last.memory / 1e6, "disk_mb": last.disk / 1e6}
    return Figure(name, events, last.seconds - first.seconds, cpu, more)
