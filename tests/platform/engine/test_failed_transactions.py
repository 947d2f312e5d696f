"""What fails again and again comes to an end: the partition to blame stands still, its neighbour goes on."""

from __future__ import annotations

import resource
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.kit import bank_jars
from tests.kit.bank import NAMESPACE, Bank
from tests.kit.cluster import eventually
from tests.kit.engine_runner import Engine
from tests.kit.samples.bank.jars import CoinsPut, JarRow, PutCoins
from verbwire.engine.restore import partition_restorer
from verbwire.engine.state import failures
from verbwire.engine.state.changes import StoreChanges
from verbwire.engine.state.partition_cache import PartitionCache
from verbwire.engine.state.store import PartitionStore
from verbwire.engine.topology import Processor, Topology
from verbwire.engine.transactions.transaction import Transaction
from verbwire.kafka.record import Record

pytestmark = pytest.mark.kafka

PAGE = 4096  # bytes: a file that may have no more can be read, and not written
OFTEN = 30  # times that a worker starts over, at most, until it knows who is to blame


@dataclass
class Fragile:
    """A processor with a fault that nobody foresaw: some records are too much for it."""

    processor: Processor

    @property
    def watch(self) -> Any:
        return self.processor.watch

    def process(self, cache: PartitionCache, records: Sequence[Record], transaction: Transaction) -> int:
        if any(record.key == b"bad" for record in records):
            raise ZeroDivisionError("the jar broke the machine")
        return self.processor.process(cache, records, transaction)


def fragile(topology: Topology) -> Topology:
    return replace(topology, processor=Fragile(topology.processor))


@pytest.fixture
def pair(bank: Bank) -> tuple[int, int]:
    return bank.partition(), bank.partition()


def row(jar: str, pence: int) -> JarRow:
    return JarRow(jar_id=jar, pence=pence)


@pytest.mark.parametrize("kind", ["table", "receiver"])
def test_an_unforeseen_failure_stops_the_partition_at_its_record(
    bank: Bank, pair: tuple[int, int], tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    declared = bank_jars.table() if kind == "table" else bank_jars.receiver()
    of = CoinsPut if kind == "table" else PutCoins
    with Engine(bank, declared, pair, tmp_path, change=fragile) as engine:
        here, there = pair
        for number in range(60):
            bank.send(of(jar_id=f"j{number}" if number != 37 else "bad", pence=1), here)
            bank.send(of(jar_id=f"j{number}", pence=1), there)
        engine.run_through(OFTEN)
        (stopped,) = engine.core.stopped().items()
        topic = engine.topology.inputs[0]
        assert stopped[0] == here
        assert f"stopped at {topic}/{here}/37, which has failed again and again, alone: ZeroDivisionError" in stopped[1]
        assert "the jar broke the machine" in stopped[1]
        assert caplog.text.count("raise ZeroDivisionError(") == 1  # one traceback, however often it was tried
        assert (len(engine.held(here)), len(engine.held(there))) == (37, 60)
        assert engine.counted("partitions", state="stopped") == 1
        for number in range(60, 63):
            bank.send(of(jar_id=f"j{number}", pence=1), there)
        engine.prepare()  # whatever happens to others: it stays where it is
        engine.run_through()
        assert (len(engine.held(there)), [*engine.core.stopped()]) == (63, [here])
    with Engine(bank, declared, pair, tmp_path) as mended:
        mended.run()
        assert (len(mended.held(here)), mended.core.stopped()) == (60, {})


def test_a_changelog_with_a_record_of_nobodys_stops_its_partition_alone(
    bank: Bank, pair: tuple[int, int], tmp_path: Path
) -> None:
    here, there = pair
    with Engine(bank, bank_jars.table(), pair, tmp_path / "before") as engine:
        for partition in pair:
            bank.send(CoinsPut(jar_id="j", pence=1), partition)
        engine.run()
        offset = bank.put(engine.topology.changelog, here, b"k", None, [("vw_inputs", b"no offset")])
    with Engine(bank, bank_jars.table(), pair, tmp_path / "after") as engine:
        (stopped,) = engine.core.stopped().items()
        assert stopped[0] == here
        assert f"{engine.topology.changelog}/{here}@{offset} cannot be taken into the table: ValueError" in stopped[1]
        assert engine.held(there) == {b"j": row("j", 1)}
        bank.send(CoinsPut(jar_id="j", pence=2), there)
        engine.run()
        assert engine.held(there) == {b"j": row("j", 3)}


def test_a_copy_that_cannot_be_written_stops_its_partition_alone(
    bank: Bank, pair: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = pair
    apply = PartitionStore.apply

    def fail(store: PartitionStore, changes: StoreChanges) -> None:
        if store.path.name == f"jars-{here}.db":
            raise OverflowError("no number of SQLite's")
        apply(store, changes)

    with Engine(bank, bank_jars.table(), pair, tmp_path) as engine:
        monkeypatch.setattr(PartitionStore, "apply", fail)
        for partition in pair:
            bank.send(CoinsPut(jar_id="j", pence=1), partition)
        engine.run_through()
        (stopped,) = engine.core.stopped().items()
        assert stopped[0] == here
        assert "cannot be written" in stopped[1]
        assert "start the worker again" in stopped[1]
        assert engine.held(there) == {b"j": row("j", 1)}
        monkeypatch.undo()
    with Engine(bank, bank_jars.table(), pair, tmp_path) as mended:
        assert (mended.held(here), mended.core.stopped()) == ({b"j": row("j", 1)}, {})


@contextmanager
def no_room(size: int) -> Iterator[None]:
    """No file of this process may be larger: what a disk that is full is to it (EFBIG for ENOSPC)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_without_room_stops_the_partition_until_there_is_room_again(
    bank: Bank, pair: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is committed is in the log; the copy keeps what it has, and the partition goes on where it was."""
    here, _ = pair
    monkeypatch.setattr(failures, "REST_SECONDS", 0.05)
    with Engine(bank, bank_jars.table(), [here], tmp_path) as engine:
        bank.send(CoinsPut(jar_id="j", pence=1), here)
        engine.run()
        with no_room(PAGE):
            for number in range(20):
                bank.send(CoinsPut(jar_id=f"j{number:02}" * 60, pence=1), here)
            engine.run_through()
            assert engine.core.retrying() == {here}
            assert "disk" in engine.core.stopped()[here]
            assert "goes on by itself" in engine.core.stopped()[here]

        def goes_on() -> bool:
            engine.prepare()
            return not engine.core.stopped()

        eventually(goes_on)
        assert len(engine.held(here)) == 21
        assert engine.reader.states[here].ready


def test_a_folder_that_cannot_be_used_stops_the_partition_and_not_the_worker(
    bank: Bank, pair: tuple[int, int], tmp_path: Path
) -> None:
    here, there = pair
    group = bank.names.group("bank.jars")
    (tmp_path / group / f"jars-{here}.db").mkdir(parents=True)
    with Engine(bank, bank_jars.table(), pair, tmp_path) as engine:
        assert [*engine.core.stopped()] == [here]
        assert "cannot be opened" in engine.core.stopped()[here]
        bank.send(CoinsPut(jar_id="j", pence=1), there)
        engine.run()
        assert engine.held(there) == {b"j": row("j", 1)}


def test_a_restore_that_fails_unexpectedly_stops_its_partition_alone(
    bank: Bank, pair: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = pair

    def fail(path: Path, *_: object) -> None:
        if path.name == f"jars-{here}.db":
            raise LookupError("nobody foresaw this")

    monkeypatch.setattr(partition_restorer, "read_kept_copy", fail)
    with Engine(bank, bank_jars.table(), pair, tmp_path) as engine:
        assert engine.core.stopped() == {here: "restore failed: LookupError: nobody foresaw this"}
        assert engine.starts == {(bank.names.events(NAMESPACE), there): 0}
