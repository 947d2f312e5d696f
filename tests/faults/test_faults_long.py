"""Long fault runs on the whole sales file: `make chaos`."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.disturbances import (
    all_shared,
    crash_at_every_point,
    join_and_leave,
    kill_at_random,
    pause_over_the_session,
    progress,
)
from tests.faults.harness import TABLE
from tests.faults.run import Run, deployed_run, seeded
from tests.faults.watch import Watch, median_and_most
from tests.kit.cluster import Cluster
from verbwire.embedded.stack import Stack

pytestmark = [pytest.mark.kafka, pytest.mark.chaos]

ALL_LINES = 50_000  # more than the file has
DRAINED = 180.0


@pytest.fixture
def run(cluster: Cluster, unique: str, tmp_path: Path) -> Iterator[Run]:
    with deployed_run(cluster, unique, tmp_path, ALL_LINES) as deployed:
        yield deployed


def _two_workers(run: Run) -> None:
    run.shop.start("w1")
    run.shop.start("w2")
    all_shared(run.shop, "w1", "w2")


def test_ten_random_kills_during_the_whole_import(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    rnd = seeded()
    _two_workers(run)
    with Watch(run.shop) as watch, run.load.steady(150):
        kills = kill_at_random(run.shop, run.load, rnd, times=10, burst=3000)
    run.finish(DRAINED)
    run.require_exact()
    times = [took for kill in kills for took in watch.standstills(*kill).values()]
    middle, most = median_and_most(times)
    with capsys.disabled():
        print(
            f"\nkill -9, restart after 1 s, {len(times)} partitions: committed again after {middle} s, at most {most} s"
        )
    # A second for the restart, two and a half for the start of Python and Faust on a busy machine, the rest is ours.
    assert middle < 8


def test_crashes_at_every_point_three_times_over(run: Run) -> None:
    for _ in range(3):
        crash_at_every_point(run.shop, run.load)
        run.load.send(5000)
        progress(run.shop)
        run.shop.stop()
    crash_at_every_point(run.shop, run.load)
    run.finish(DRAINED)
    run.require_exact()


def test_either_worker_stopped_over_its_session(run: Run) -> None:
    rnd = seeded()
    _two_workers(run)
    with run.load.steady(150):
        for name, other in (("w1", "w2"), ("w2", "w1"), ("w1", "w2")):
            pause_over_the_session(run.shop, run.load, rnd, name, other)
    run.finish(DRAINED)
    run.require_exact()


def test_eight_joins_and_leaves(run: Run) -> None:
    run.shop.start("w1")
    with run.load.steady(500):
        for _ in range(8):
            join_and_leave(run.shop, "w2", "w1")
    run.finish(DRAINED)
    run.require_exact()


def test_the_only_broker_killed_under_load(unique: str, tmp_path: Path) -> None:
    with Stack(tmp_path / "stack").start(progress=False) as stack:
        cluster = Cluster(stack.bootstrap, stack.registry_url)
        with deployed_run(cluster, unique, tmp_path, ALL_LINES) as run:
            _two_workers(run)
            with run.load.steady(300):
                for _ in range(3):
                    run.load.send(1500)
                    progress(run.shop)
                    stack.kill(1)
                    run.shop.note("broker killed")
                    time.sleep(2)  # as long as it takes somebody to notice
                    stack.start_node(1)
                    run.shop.note("broker started")
            run.finish(DRAINED)
            run.require_exact()


def test_the_coordinators_broker_killed_for_good(unique: str, tmp_path: Path) -> None:
    with Stack(tmp_path / "stack", nodes=3).start(progress=False) as stack:
        cluster = Cluster(stack.bootstrap, stack.registry_url)
        with deployed_run(cluster, unique, tmp_path, ALL_LINES) as run:
            _two_workers(run)
            with run.load.steady(300):
                run.load.send(1500)
                progress(run.shop)
                gone = run.shop.coordinator(TABLE)
                stack.kill(gone)
                run.shop.note("broker killed", node=gone)
                run.load.send(1500)
                progress(run.shop)
                stack.start_node(gone)
                run.shop.note("broker started", node=gone)
            run.finish(DRAINED)
            run.require_exact()


def test_workers_killed_together(run: Run) -> None:
    _two_workers(run)
    with run.load.steady(300):
        for _ in range(4):
            run.load.send(1500)
            killers = [threading.Thread(target=run.shop.kill, args=(name,)) for name in ("w1", "w2")]
            for each in killers:
                each.start()
            for each in killers:
                each.join()
            for name in ("w1", "w2"):
                run.shop.start_again(name)
            all_shared(run.shop, "w1", "w2")
    run.finish(DRAINED)
    run.require_exact()
