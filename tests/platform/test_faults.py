"""The engine stays exact: workers die at every named point and at random, hang, join and leave, under real load."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cluster import Cluster
from tests.faults.checker import Checker, totals
from tests.faults.disturbances import (
    all_shared,
    crash_at_every_point,
    join_and_leave,
    kill_at_random,
    pause_over_the_session,
)
from tests.faults.harness import Shop, shop
from tests.faults.load import Load, slice_of_sales

pytestmark = pytest.mark.kafka

LINES = 6000


@dataclass
class Run:
    """A shop under load."""

    shop: Shop
    load: Load

    def finish(self) -> None:
        """Send what is left, let the workers deal with it, stop them, and require that everything is exact."""
        self.load.send()
        self.shop.all_drained()
        self.shop.stop()
        found = self.shop.check()
        assert not found, f"{found}\nsee {self.shop.folder}"
        self.require_totals()

    def require_totals(self) -> None:
        """Require what the sales file says, counted apart from everything."""
        checker = Checker(self.shop.cluster.bootstrap, self.shop.cluster.registry_url, self.shop.prefix)
        expected = self.load.expected()
        assert totals(checker.rows) == {
            "carts": len(expected.carts),
            "checked_out": len(expected.carts),
            "lines": expected.cart_lines,
            "quantity": expected.quantity,
            "total_pence": expected.pence,
        }
        verdicts = [line.fields["code"] or "accepted" for line in checker.outcomes]
        assert {code: verdicts.count(code) for code in set(verdicts)} == dict(+expected.outcomes)


@pytest.fixture
def run(cluster: Cluster, unique: str, tmp_path: Path) -> Iterator[Run]:
    """A deployed shop and its load, no worker yet."""
    with shop(cluster, unique, tmp_path) as opened, Load(opened, slice_of_sales(tmp_path, LINES)) as load:
        yield Run(opened, load)


@pytest.fixture
def rnd(request: pytest.FixtureRequest) -> random.Random:
    """Random numbers whose seed pytest prints when the test fails; FAULT_SEED repeats them."""
    import os

    seed = os.environ.get("FAULT_SEED") or uuid.uuid4().hex[:8]
    print(f"FAULT_SEED={seed}")
    return random.Random(seed)  # noqa: S311 (not a secret)


def test_workers_killed_at_every_crash_point(run: Run) -> None:
    crash_at_every_point(run.shop, run.load)
    run.finish()


def test_a_worker_stopped_over_its_session_and_woken(run: Run, rnd: random.Random) -> None:
    run.shop.start("w1")
    run.shop.start("w2")
    all_shared(run.shop, "w1", "w2")
    with run.load.steady(100):
        pause_over_the_session(run.shop, run.load, rnd, "w1", "w2")
    run.finish()


def test_random_kills_a_restart_and_a_guest(run: Run, rnd: random.Random) -> None:
    run.shop.start("w1")
    run.shop.start("w2", leave=True)
    all_shared(run.shop, "w1", "w2")
    with run.load.steady(100):
        kill_at_random(run.shop, run.load, rnd, times=2, burst=800)
        run.shop.stop("w2")
        all_shared(run.shop, "w1")
        run.shop.stop("w1")
        run.shop.start_again("w1")
        join_and_leave(run.shop, "w2", "w1")
    run.finish()
