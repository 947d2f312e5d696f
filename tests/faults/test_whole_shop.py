"""The whole shop, three workers that host everything, each killed in turn: every number is the independent count's."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.harness import Shop
from tests.faults.load import SALES, slice_of_sales
from tests.faults.whole import FOLDERS, Import, deploy_all, every_table_is_complete, exact, kill_in_turn
from tests.kit.cluster import Cluster

pytestmark = pytest.mark.kafka

WORKERS = ("w1", "w2", "w3")


@pytest.mark.parametrize(
    ("lines", "seconds"), [(2000, 90.0), pytest.param(0, 600.0, marks=pytest.mark.chaos, id="the whole file")]
)
def test_an_import_is_exact_though_each_worker_is_killed(
    cluster: Cluster, unique: str, tmp_path: Path, lines: int, seconds: float
) -> None:
    sales = slice_of_sales(tmp_path, lines) if lines else SALES
    with Shop(cluster, unique, tmp_path) as shop:
        deploy_all(shop)
        for name in WORKERS:
            shop.start(name, *FOLDERS)
        importing = Import(shop, sales)
        importing.start()
        kill_in_turn(shop, WORKERS, importing)
        importing.finished(shop, seconds)
        exact(shop, sales, seconds)
        every_table_is_complete(shop)
        shop.stop()
