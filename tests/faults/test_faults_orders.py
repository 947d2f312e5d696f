"""Processes and re-keyed tables stay exact: one of two workers that hand records to each other dies, at every point."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.harness import shop
from tests.faults.orders import GROUPS, Orders, crash_one_of_two
from tests.kit.cluster import Cluster
from verbwire.engine.transactions.failpoints import POINTS

pytestmark = pytest.mark.kafka

OFTEN = pytest.param(POINTS * 3, marks=pytest.mark.chaos, id="all, three times")


@pytest.mark.parametrize("points", [pytest.param(("after-flush",), id="one"), OFTEN])
def test_orders_are_led_and_counted_once(
    cluster: Cluster, unique: str, tmp_path: Path, points: tuple[str, ...]
) -> None:
    with shop(cluster, unique, tmp_path) as opened:
        opened.deploy(*GROUPS)
        with Orders(opened) as orders:
            crash_one_of_two(opened, orders, points, each=20)
            orders.settled()
            opened.stop()
            found = orders.check()
    assert not found, f"{found}\nsee {tmp_path}"
