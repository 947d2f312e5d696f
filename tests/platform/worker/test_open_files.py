"""How many files a worker may have open: counted before it begins, refused with the number, shared with HTTP."""

from __future__ import annotations

import resource
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.faults.harness import Shop
from tests.faults.load import slice_of_sales
from tests.faults.whole import FOLDERS, Import, deploy_all, every_table_is_complete, exact
from tests.kit.bank import RECEIVER, TABLE, Bank
from tests.kit.cluster import Cluster
from tests.kit.worker import branch
from verbwire.errors import ConfigurationError
from verbwire.http.base.limits import ConnectionLimits
from verbwire.observability.descriptors import raise_limit
from verbwire.worker.open_files import HostedFiles, spare_descriptors

SHOP = HostedFiles(tables=[12] * 10, effects=3, brokers=1)
USUAL = 1024  # the soft limit of most machines


def test_open_files_that_are_left_are_for_http() -> None:
    small, large = spare_descriptors(SHOP, USUAL), spare_descriptors(SHOP, 20_000)
    assert 16 <= small.connections < large.connections == ConnectionLimits().connections
    assert small.readers < large.readers


def test_open_files_that_are_too_few_are_refused_with_the_number_and_what_to_type() -> None:
    three = HostedFiles(SHOP.tables, SHOP.effects, brokers=3)
    with pytest.raises(ConfigurationError, match=r"needs \d+ open files and may have 1024: .*`ulimit -n 2048`"):
        spare_descriptors(three, USUAL)
    assert spare_descriptors(three, 2048)


def test_the_soft_limit_is_raised_to_the_hard_one() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, hard) - 1, hard))
    try:
        assert raise_limit() == resource.getrlimit(resource.RLIMIT_NOFILE)[0] == hard
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def bank(cluster: Cluster) -> Iterator[Bank]:
    opened = Bank(cluster, f"f{uuid.uuid4().hex[:10]}", 2)
    yield opened
    opened.close()


@pytest.mark.kafka
def test_open_files_that_are_too_few_end_a_worker_with_a_sentence(bank: Bank, tmp_path: Path) -> None:
    with branch(tmp_path, bank) as project:
        refused = project.start(RECEIVER, TABLE, files="150")
        assert refused.process.wait(30) == 2
        assert "open files and may have 150" in refused.said()
        assert "Traceback" not in refused.said()


@pytest.mark.kafka
@pytest.mark.chaos
def test_the_whole_shop_fits_into_the_usual_limit(cluster: Cluster, unique: str, tmp_path: Path) -> None:
    """All its tables with twelve partitions each, at work, while strangers connect."""
    with Shop(cluster, unique, tmp_path) as shop:
        shop.partitions = 12
        deploy_all(shop)
        worker = shop.start("w1", *FOLDERS, files=str(USUAL))
        sales = slice_of_sales(tmp_path, 500)
        importing = Import(shop, sales)
        importing.start()
        importing.finished(shop, 300.0)
        exact(shop, sales, 300.0)
        every_table_is_complete(shop)
        assert psutil.Process(worker.process.pid).num_fds() < USUAL
        assert "Too many open files" not in worker.log.read_text()
        shop.stop()
