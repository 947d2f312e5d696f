"""Two workers against one: the partitions of a group are spread over them."""

from __future__ import annotations

import time
from contextlib import ExitStack
from functools import partial

from benchmarks.figures import Figure
from benchmarks.rounds import Round
from benchmarks.sections.table import GROUP
from benchmarks.worker import Progress, Worker


def measured(round: Round) -> None:
    """The same events, from when all workers have their partitions."""
    group = round.group("Workers: the table of above, from when all partitions are assigned")
    for number, name in ((1, "one worker"), (2, "two workers")):
        with round.attempt(name):
            round.add(group, _shared(round, number, name))


def _shared(round: Round, number: int, name: str) -> Figure:
    place = round.place(name)
    round.need(place, "sdk", "publish")
    progress = Progress(place, GROUP, "bench.orders.events")
    with ExitStack() as stack:
        workers = [Worker(place, GROUP, round.folder(place), name=f"bench{n}") for n in range(number)]
        for worker in workers:
            stack.enter_context(worker)
        for worker in workers:
            worker.until(partial(_has, worker, place.partitions // number))
        began, clock, cpu = progress.committed(), time.perf_counter(), [each.cpu() for each in workers]
        workers[0].until(lambda: progress.committed() >= place.events)
        seconds = time.perf_counter() - clock
        used = sum(each.cpu() - before for each, before in zip(workers, cpu, strict=True))
    return Figure(name, place.events - began, seconds, used)


def _has(worker: Worker, partitions: int) -> bool:
    """Whether it runs so many partitions, no more and no less."""
    return worker.metric("verbwire_partitions", 'state="running"') == partitions
