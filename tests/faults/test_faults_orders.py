"""Processes and re-keyed tables stay exact: one of two workers that hand records to each other dies, at every point."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.harness import shop
from tests.faults.orders import GROUPS, Orders, crash_one_of_two
from tests.kit.cluster import Cluster
from verbwire.engine.transactions.failpoints import POINTS

pytestmark = [pytest.mark.kafka, pytest.mark.chaos]


def test_orders_are_led_and_counted_once(cluster: Cluster, unique: str, tmp_path: Path) -> None:
    with shop(cluster, unique, tmp_path) as opened:
        opened.deploy(*GROUPS)
        with Orders(opened) as orders:
            crash_one_of_two(opened, orders, POINTS * 3, each=20)
            orders.settled()
            opened.stop()
            found = orders.check()
    assert not found, f"{found}\nsee {tmp_path}"
