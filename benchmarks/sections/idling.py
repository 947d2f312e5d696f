"""What a worker costs that has nothing to do."""

from __future__ import annotations

import time
from functools import partial

from benchmarks.figures import Figure
from benchmarks.rounds import Round
from benchmarks.worker import Progress, Worker

PARTITIONS = 12
GROUPS = (
    "bench.orders",
    "bench.accepted",
    "bench.browsing",
    "bench.customers",
    "bench.desk.aggregate",
    "bench.deliveries",
    "bench.receipts",
)
SETTLED = 5.0  # seconds after the last record
_EVENTS = 1000


def measured(round: Round) -> None:
    """Seven groups of all kinds, each of which has rows."""
    place = round.place("idle", events=_EVENTS, partitions=PARTITIONS)
    round.need(place, "sdk", "publish")
    group = round.group(f"Idle: seven groups, {PARTITIONS} partitions each, CPU a second", "percent_of_a_core")
    with Worker(place, GROUPS[0], round.folder(place), *GROUPS[1:]) as worker:
        worker.until(worker.ready)
        for name in ("bench.orders", "bench.browsing", "bench.customers"):
            progress = Progress(place, name, "bench.orders.events")
            worker.until(partial(progress.reached, _EVENTS))
        time.sleep(SETTLED)
        clock, cpu = time.perf_counter(), worker.cpu()
        time.sleep(round.sizes.idle)
        seconds, used = time.perf_counter() - clock, worker.cpu() - cpu
        more = {
            "percent_of_a_core": used / seconds * 100,
            "threads": worker.process.num_threads(),
            "descriptors": worker.process.num_fds(),
            "memory_mb": worker.process.memory_info().rss / 1e6,
        }
        round.add(group, Figure("verbwire, seven groups, idle", max(1, int(seconds)), seconds, used, more))
