"""Fixtures of the platform's tests."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import pytest

from tests.kit import bank_jars, bank_tills, both_codecs
from tests.kit.bank import Bank
from tests.kit.cluster import Cluster
from tests.kit.engine_runner import Engine
from verbwire.wire.registry import unknown_ids

PROCESSES = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
# Tests take their partitions one after the other: one process needs as many as three together.
BANK_PARTITIONS, BRANCH_PARTITIONS = (120, 48) if PROCESSES > 2 else (360, 144)
_BY_BOTH = (
    "wire.",
    "contracts.test_round_trip",
    "contracts.test_value_matrix",
    "engine.test_values",
    "queries.test_values",
)


@pytest.fixture(scope="module", autouse=True)
def codecs(request: pytest.FixtureRequest) -> Iterator[None]:
    """In the tests of what is written and read, the compiled codec and the reference check each other."""
    with pytest.MonkeyPatch.context() as patch:
        if request.module.__name__.removeprefix("tests.platform.").startswith(_BY_BOTH):
            both_codecs.compare(patch)
        yield


@pytest.fixture
def registry_that_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it does not know nobody has registered: it is not waited for, as one would be that lags behind another."""
    monkeypatch.setattr(unknown_ids, "LAG_SECONDS", 0.0)


@pytest.fixture(scope="session")
def bank(cluster: Cluster) -> Iterator[Bank]:
    """The bank of the engine's tests, deployed once; each test takes a partition of its own."""
    opened = Bank(cluster, f"e{uuid.uuid4().hex[:10]}", partitions=BANK_PARTITIONS)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def branch(cluster: Cluster) -> Iterator[Bank]:
    """A branch of the bank, for groups that hand records to themselves; each test takes some of its partitions."""
    opened = Bank(cluster, f"b{uuid.uuid4().hex[:10]}", partitions=BRANCH_PARTITIONS, groups=bank_tills.GROUPS)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def running_receiver(bank: Bank, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with Engine(bank, bank_jars.receiver(), [bank.partition()], tmp_path_factory.mktemp("receiver")) as running:
        yield running


@pytest.fixture(scope="session")
def running_table(bank: Bank, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with Engine(bank, bank_jars.table(), [bank.partition()], tmp_path_factory.mktemp("table")) as running:
        yield running


@pytest.fixture
def partition(bank: Bank) -> int:
    """A partition of the bank that is this test's alone."""
    return bank.partition()


@pytest.fixture(scope="module")
def lane(bank: Bank) -> int:
    """A partition that the tests of a module share, each with keys of its own."""
    return bank.partition()


@pytest.fixture
def receiver(running_receiver: Engine, partition: int) -> Engine:
    """The receiver of the bank's commands, running on the test's partition."""
    running_receiver.own(partition)
    return running_receiver


@pytest.fixture
def table(running_table: Engine, partition: int) -> Engine:
    """The table of the bank's jars, running on the test's partition."""
    running_table.own(partition)
    return running_table
