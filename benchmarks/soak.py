"""``python -m benchmarks.soak``: hours of ordinary load on one worker, which must not grow.

Events on many keys and commands on ever new ones: what grows with the keys seen, grows here. Memory has to be flat once
the caches are full, and descriptors and threads have to be back where they were then.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import psutil

from benchmarks import orders
from benchmarks.cluster import deploy, running
from benchmarks.place import Place
from benchmarks.sdk import connection
from benchmarks.shop.schemas.desk import PlaceOrder
from benchmarks.shop.schemas.orders import Item, OrderPlaced
from benchmarks.worker import Progress, Worker
from verbwire.client.client import Client

GROUPS = ("bench.orders", "bench.desk.aggregate", "bench.accepted")
FLAT = 1.10  # the last samples to the first ones after the warm-up
MOST_BEHIND = 30_000  # events: ten seconds; beyond, memory is that of catching up, and says nothing
MOST_WARM_UP = 330.0  # seconds; clients of Kafka that were idle ask for the cluster anew after five minutes
REST_SECONDS = 60.0  # after the load, for what was opened for it
TICK = 0.05
MEGABYTE = 1e6


@dataclass(frozen=True)
class Load:
    """What is sent a second."""

    events: int = 3000
    keys: int = 20_000
    commands: int = 200


@dataclass(frozen=True)
class Sample:
    """What the worker took at one moment."""

    seconds: float  # since the load began
    rss: float  # MB
    files: int
    threads: int
    behind: int = 0  # events that are sent and not dealt with


class Sender(threading.Thread):
    """Sends a load until it is told to stop."""

    def __init__(self, place: Place, load: Load) -> None:
        super().__init__(name="load", daemon=True)
        self._place = place
        self._load = load
        self._stop_now = threading.Event()
        self.events = self.commands = 0
        self.failure: BaseException | None = None

    def run(self) -> None:
        """Send evenly; what fell behind is made up for."""
        try:
            with Client(connection(self._place)) as client:
                began = time.monotonic()
                while not self._stop_now.wait(TICK):
                    self._send(client, time.monotonic() - began)
        except BaseException as error:  # noqa: BLE001 (told by whoever waits)
            self.failure = error

    def end(self) -> None:
        """Stop, and wait until all is acknowledged."""
        self._stop_now.set()
        self.join()

    def _send(self, client: Client, seconds: float) -> None:
        while self.events < seconds * self._load.events:
            client.publish(_event(self.events, self.events % self._load.keys))
            self.events += 1
        while self.commands < seconds * self._load.commands:
            client.send(_command(self.commands))
            self.commands += 1


def soak(place: Place, folder: Path, load: Load, seconds: float, say: Callable[[str], None]) -> list[str]:
    """Run a worker under a load for so long; return what is wrong, nothing where all is well."""
    with Worker(place, GROUPS[0], folder, *GROUPS[1:]) as worker:
        worker.until(worker.ready)
        process = worker.process
        sender = Sender(place, load)
        sender.start()
        progress = Progress(place, GROUPS[0], "bench.orders.events")
        samples = _sample(worker, process, sender, progress, seconds, say)
        sender.end()
        warm_up = min(MOST_WARM_UP, seconds / 3)
        before = _first(samples, warm_up)
        until = time.monotonic() + REST_SECONDS
        while not _at_rest(process, before) and time.monotonic() < until:
            time.sleep(0.5)
        after = _taken(process, seconds)
        say(f"{sender.events:,} events, {sender.commands:,} commands; afterwards {_told(after)}")
    return judge(samples, after, warm_up)


def judge(samples: Sequence[Sample], after: Sample, warm_up: float) -> list[str]:
    """Return what is wrong with a run."""
    warm = [each.rss for each in samples if each.seconds >= warm_up]
    fifth = max(1, len(warm) // 5)
    first, last = statistics.median(warm[:fifth]), statistics.median(warm[-fifth:])
    wrong = []
    if (behind := max(each.behind for each in samples)) > MOST_BEHIND:
        wrong.append(f"{behind} events behind: this machine is too slow, or too busy, for the load")
    if last > first * FLAT:
        wrong.append(f"memory has grown from {first:.0f} to {last:.0f} MB")
    for what, now, then in (
        ("descriptors", after.files, _first(samples, warm_up).files),
        ("threads", after.threads, _first(samples, warm_up).threads),
    ):
        if now > then:
            wrong.append(f"{now} {what} are left of {then}")
    return wrong


def _first(samples: Sequence[Sample], warm_up: float) -> Sample:
    return next(each for each in samples if each.seconds >= warm_up)


def _sample(
    worker: Worker,
    process: psutil.Process,
    sender: Sender,
    progress: Progress,
    seconds: float,
    say: Callable[[str], None],
) -> list[Sample]:
    began, every = time.monotonic(), max(1.0, min(15.0, seconds / 40))
    samples: list[Sample] = []
    say(f"{'seconds':>8} {'RSS MB':>8} {'files':>6} {'threads':>8} {'behind':>8}")
    while (now := time.monotonic() - began) < seconds:
        due = len(samples) * every + min(5.0, every)  # the first one under load: what is opened for it is open
        if now >= due:
            samples.append(replace(_taken(process, now), behind=sender.events - progress.committed()))
            say(_told(samples[-1]))
        worker.until(lambda: True)  # raises where it has died
        if sender.failure is not None:
            raise sender.failure
        time.sleep(0.2)
    return samples


def _taken(process: psutil.Process, seconds: float) -> Sample:
    with process.oneshot():
        return Sample(seconds, process.memory_info().rss / MEGABYTE, process.num_fds(), process.num_threads())


def _told(sample: Sample) -> str:
    return f"{sample.seconds:>8.0f} {sample.rss:>8.1f} {sample.files:>6} {sample.threads:>8} {sample.behind:>8}"


def _at_rest(process: psutil.Process, before: Sample) -> bool:
    now = _taken(process, 0)
    return now.files <= before.files and now.threads <= before.threads


def _event(number: int, key: int) -> OrderPlaced:
    items = (Item(sku="a", quantity=1), Item(sku="b", quantity=2))
    customer = f"c{key % orders.CUSTOMERS}"
    return OrderPlaced(order_id=f"o{key}", customer_id=customer, total_pence=number, items=items)


def _command(number: int) -> PlaceOrder:
    return PlaceOrder(order_id=f"n{number}", customer_id=f"c{number % orders.CUSTOMERS}", total_pence=number)


def main() -> None:
    """Soak for as long as asked; 1 where anything grows."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("minutes", type=float, nargs="?", default=60.0, help="an hour by default")
    parser.add_argument("--cache", help="cache_bytes of the worker, 64MB for instance")
    options = parser.parse_args()
    if options.cache:
        os.environ["VERBWIRE_CACHE_BYTES"] = options.cache
    say = partial(print, flush=True)
    with running() as addresses, tempfile.TemporaryDirectory(prefix="verbwire-soak-") as folder:
        place = Place(addresses.bootstrap, addresses.registry_url, f"soak{time.time_ns() // 10**6}", 0, 0, 0, 0)
        deploy(place)
        wrong = soak(place, Path(folder), Load(), options.minutes * 60, say)
    say("\n".join(wrong) or "flat")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
