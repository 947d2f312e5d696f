"""Commands that are sent for later: how late they are delivered, and what it costs that many of them wait."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import psutil
from confluent_kafka import Message

from benchmarks.figures import Figure, Stopwatch, percentile
from benchmarks.rounds import Round
from tests.kit.cluster import Cluster, eventually
from tests.kit.tower import SCHEDULER, Tower, ringing, tower
from tests.kit.worker import Running

PER_SECOND = 1_000  # that fall due
SECONDS = 10.0
_AHEAD = timedelta(seconds=4)  # from the last that is sent to the first that is due
_LONG = 900.0


def measured(round: Round) -> None:
    """A thousand due each second; then as many pending as a table grows to."""
    addresses = round.setup.addresses
    folder = round.setup.folder / f"firing-{round.number}"
    folder.mkdir()
    with tower(folder, Cluster(addresses.bootstrap, addresses.registry_url)) as project:
        worker = project.start("consumers").ready()
        group = round.group(f"Due: {PER_SECOND:,} commands a second, from their time to their record", "p50_ms")
        round.add(group, _lateness(project))
        group = round.group("Pending: commands that wait for next year", "memory_mb")
        for figure in _pending(project, worker, round.sizes.grown):
            round.add(group, figure)


def _lateness(project: Tower) -> Figure:
    number, watch = int(PER_SECOND * SECONDS), Stopwatch()
    due: dict[str, int] = {}
    with project.client() as client:
        start = datetime.now(UTC) + _AHEAD + timedelta(seconds=number / 5_000)
        for each in range(number):
            at = start + timedelta(seconds=each / PER_SECOND)
            client.send(ringing(f"bell-{each % 1000}"), at=at, id=f"f{each}")
            due[f"f{each}"] = round_ms(at)
    eventually(lambda: len(delivered(project)) >= number, _LONG, 1.0)
    late = [each.timestamp()[1] - due[id] for id, each in delivered(project).items()]
    more = {"p50_ms": percentile(late, 0.5), "p99_ms": percentile(late, 0.99), "max_ms": float(max(late))}
    return watch.figure("verbwire", number, **more)


def round_ms(moment: datetime) -> int:
    """Return a moment as the scheduler has it."""
    return round(moment.timestamp() * 1000)


def delivered(project: Tower) -> dict[str, Message]:
    """The commands that were fired, by id."""
    found = ((dict(each.headers() or ())["ce_id"].decode(), each) for each in project.delivered())
    return {id: each for id, each in found if id.startswith("f")}


def _pending(project: Tower, worker: Running, number: int) -> Sequence[Figure]:
    watch, process = Stopwatch(), psutil.Process(worker.process.pid)
    empty = process.memory_info().rss / 1e6
    with project.client() as client:
        for each in range(number):
            client.send(ringing(f"bell-{each % 1000}"), after=timedelta(days=300))
    worker.until(lambda: _rows(worker) >= number, _LONG)
    taken = watch.figure(f"{number:,} taken", number, memory_mb=process.memory_info().rss / 1e6, memory_before_mb=empty)
    cpu = sum(process.cpu_times()[:2])
    time.sleep(SECONDS)
    idle = {"percent_of_a_core": (sum(process.cpu_times()[:2]) - cpu) / SECONDS * 100}
    kept, worker = _restarted(project, worker)
    shutil.rmtree(project.folder / ".verbwire" / "tables", ignore_errors=True)
    restored, worker = _restarted(project, worker)
    memory = psutil.Process(worker.process.pid).memory_info().rss / 1e6
    more = {"memory_mb": memory, "restart_s": kept, "restart_without_copies_s": restored, **idle}
    return [taken, Figure(f"{number:,} waiting", number, kept, 0.0, more)]


def _restarted(project: Tower, worker: Running) -> tuple[float, Running]:
    worker.process.terminate()
    worker.process.wait(30)
    began = time.perf_counter()
    again = project.start("consumers")
    again.until(lambda: again.get("/health/ready")[0] == 200, _LONG)
    return time.perf_counter() - began, again


def _rows(worker: Running) -> int:
    _, metrics = worker.get("/metrics")
    lines = [each for each in metrics.splitlines() if each.startswith("verbwire_scheduled_total")]
    taken = [each for each in lines if 'event="taken"' in each and SCHEDULER in each]
    return int(float(taken[0].rpartition(" ")[2])) - int(PER_SECOND * SECONDS) if taken else 0
