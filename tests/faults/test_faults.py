"""The engine stays exact: workers die at every named point and at random, hang, join and leave, under real load."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import added_table
from tests.faults.carts_model import sum_after
from tests.faults.changelogs import last_rows
from tests.faults.disturbances import (
    all_shared,
    crash_at_every_point,
    join_and_leave,
    kill_at_random,
    pause_over_the_session,
)
from tests.faults.harness import ROOT
from tests.faults.questions import ask_stock_faust
from tests.faults.run import Run, deployed_run, seeded
from tests.kit.cluster import Cluster
from verbwire.deploy.group_plan import GroupPlan
from verbwire.messages import Kind

pytestmark = pytest.mark.kafka

LINES = 6000


@pytest.fixture
def run(cluster: Cluster, unique: str, tmp_path: Path) -> Iterator[Run]:
    with deployed_run(cluster, unique, tmp_path, LINES) as deployed:
        yield deployed


@pytest.fixture(scope="module")
def crashed(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A run whose workers died at every crash point, and then finished."""
    prefix, folder = f"t{uuid.uuid4().hex[:10]}", tmp_path_factory.mktemp("crashed")
    with deployed_run(cluster, prefix, folder, LINES) as deployed:
        crash_at_every_point(deployed.shop, deployed.load)
        deployed.finish()
        yield deployed


def test_workers_killed_at_every_crash_point(crashed: Run) -> None:
    crashed.require_exact()


def test_a_table_added_later_equals_the_fold_of_the_whole_log(crashed: Run, tmp_path: Path) -> None:
    for folder in ("schemas", "consumers", "streams"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    shutil.copy(added_table.__file__, tmp_path / "streams" / "sums.py")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shop = crashed.shop
    shop.deploy(GroupPlan("shop.sums", Kind.EVENT, ("shop.carts",), ("sums",), heeds=True, parks=True))
    shop.start("projector-of-the-next-version", "shop.sums", root=tmp_path, leave=True)
    shop.drained("shop.sums")
    shop.stop()
    checker = crashed.checker()
    rows = checker.topics.read(checker.name("shop.sums-sums-changelog"))
    found = checker.folded("shop.sums", rows, sum_after)
    assert not found, found
    assert (
        sum(entry.fields["total_pence"] for entry in {e.key: e for e in rows}.values()) == crashed.load.expected().pence
    )


@pytest.mark.chaos
@pytest.mark.parametrize("store", ["memory://", "sqlite://"])
def test_stock_faust_recovers_the_same_rows(crashed: Run, store: str) -> None:
    rows = last_rows(crashed.checker().rows)
    keys = {partition: sorted(each) for partition, each in rows.items()}
    answers = ask_stock_faust(crashed.shop, "shop.carts", "carts", store, keys)
    assert answers == {key: value for each in rows.values() for key, value in each.items()}


@pytest.mark.chaos
def test_a_worker_stopped_over_its_session_and_woken(run: Run) -> None:
    run.shop.start("w1")
    run.shop.start("w2")
    all_shared(run.shop, "w1", "w2")
    with run.load.steady(100):
        pause_over_the_session(run.shop, run.load, seeded(), "w1", "w2")
    run.finish()
    run.require_exact()


@pytest.mark.chaos
def test_random_kills_a_restart_and_a_guest(run: Run) -> None:
    run.shop.start("w1")
    run.shop.start("w2", leave=True)
    all_shared(run.shop, "w1", "w2")
    with run.load.steady(100):
        kill_at_random(run.shop, run.load, seeded(), times=1, burst=800)
        run.shop.stop("w2")
        all_shared(run.shop, "w1")
        run.shop.stop("w1")
        run.shop.start_again("w1")
        join_and_leave(run.shop, "w2", "w1")
    run.finish()
    run.require_exact()
