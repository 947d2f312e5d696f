"""Workers of two versions side by side: whoever has a row at whatever time, in the end all of it is there."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.bank import RECEIVER, TABLE, Bank
from tests.kit.cluster import Cluster, eventually
from tests.kit.rolling import Versions
from tests.kit.worker import branch

pytestmark = pytest.mark.kafka

PARTITIONS, JARS = 6, 24
WORKERS = ("w1", "w2", "w3")


@pytest.fixture
def versions(cluster: Cluster, tmp_path: Path) -> Iterator[Versions]:
    bank = Bank(cluster, f"r{uuid.uuid4().hex[:10]}", PARTITIONS)
    for each in ("first", "second"):
        (tmp_path / each).mkdir()
    with branch(tmp_path / "first", bank) as first, branch(tmp_path / "second", bank) as second:
        opened = Versions(bank, first, second, tmp_path / "data")
        opened.run(2, "schemas", "generate")
        yield opened
    bank.close()


@pytest.mark.chaos
@pytest.mark.parametrize("names", [("w1",), ("w1", "w2")], ids=["one worker", "two workers"])
def test_a_rolling_update_and_a_rollback_lose_nothing(versions: Versions, names: tuple[str, ...]) -> None:
    versions.start(1, *names)
    with versions.load(JARS):
        versions.ready(*names)
        versions.run(2, "deploy")
        told = versions.checked(2)
        assert "this code would go on with what other code has folded (changed: on bank.jars.CoinsPut, row)" in told
        for name in names:  # where there is another, it gets its partitions meanwhile, old code and new
            versions.stop(name)
            versions.start(2, name)
            versions.ready(name)
    versions.put(range(JARS), "ann")
    versions.is_exact()
    with versions.load(JARS):  # rolled back, and nobody of the second version is there: all stands still
        versions.stop(*names)
        versions.start(1, "w1")
        every = {group: {str(p) for p in range(PARTITIONS)} for group in (TABLE, RECEIVER)}
        eventually(lambda: {group: {*found} for group, found in versions.stopped("w1").items()} == every, 40)
        why = versions.stopped("w1")[TABLE]["0"]
        assert "rows of bank.jars.JarRow here are of version 2, this code has version 1" in why
        assert versions.workers["w1"].get("/tables/bank.jars/jar-0")[0] == 503
        told = versions.checked(1)
        assert "a worker of this code would stop on 6 partitions (among them 0, 1, 2, 3): rows of" in told
    versions.stop("w1")
    versions.start(2, "w1")
    versions.put(range(0, JARS, 2), "bob")
    versions.is_exact()


@pytest.mark.chaos
def test_workers_go_to_the_next_version_and_back_again_and_again(versions: Versions) -> None:
    """One by one, under load, each time in another order; what newer code alone knows was there before each of them."""
    versions.run(2, "deploy")
    versions.start(2, *WORKERS)
    versions.ready(*WORKERS)
    for turn in range(3):
        versions.put(range(JARS), f"ann-{turn}")
        versions.looked_into()
        with versions.load(JARS):
            for version in (1, 2):
                for name in (*WORKERS[turn:], *WORKERS[:turn]):
                    versions.stop(name)
                    versions.start(version, name)
                    versions.settled(name)
        versions.is_exact()
