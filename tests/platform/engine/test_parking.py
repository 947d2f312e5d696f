"""Parking: a key that cannot go on waits with all that comes after it, durably, in order; other keys go on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.kit import bank_jars
from tests.kit.bank import TABLE, Bank
from tests.kit.engine_runner import Engine
from tests.kit.samples.bank.jars import CoinsPut, JarRow
from verbwire.declarations.parking import Parking
from verbwire.engine.processors import parking as engine_parking
from verbwire.engine.state.parked import ParkedKey
from verbwire.errors import ContractError
from verbwire.requests.sender import Asked, RequestSender
from verbwire.wire.records.parked import read_parked_key

pytestmark = pytest.mark.kafka

FEW = Parking(keys=2, records=6)


class Parked:
    """A table that parks, on a partition of its own."""

    def __init__(self, bank: Bank, engine: Engine, folder: Path, sender: RequestSender) -> None:
        self.bank = bank
        self.engine = engine
        self.folder = folder
        self.partition = engine.partition
        self.topic = bank.names.events("bank.jars")
        self._sender = sender

    def put(self, jar: str, *pence: int, how: str = "") -> int:
        """Put events of a jar, and return the offset of the last."""
        return [self.bank.send(CoinsPut(jar_id=jar, pence=each, how=how), self.partition) for each in pence][-1]

    def ask(self, kind: str, jar: str, offset: int | None = None) -> None:
        """Ask what operators do."""
        place = "" if offset is None else f"{self.topic}/{self.partition}/{offset}"
        asked = Asked(kind=kind, partition=self.partition, key=jar.encode(), place=place)
        self._sender.ask(TABLE, [asked], "ann", "seen to")

    def another(self, name: str = "other", mended: bool = False, limits: Parking | None = FEW) -> Engine:
        """Another worker, which has no copy of the partition."""
        return Engine(self.bank, bank_jars.table(mended, limits), [self.partition], self.folder / name)

    def pence(self, engine: Engine | None = None) -> dict[str, int]:
        """What the rows say."""
        return {
            key.decode(): row.pence for key, row in (engine or self.engine).rows().items() if isinstance(row, JarRow)
        }

    def keys(self, engine: Engine | None = None) -> dict[bytes, tuple[int, int]]:
        """The keys that are parked as readers see it, each with its numbers."""
        states = (engine or self.engine).reader.states
        return {key: (its.first, its.next) for key, its in states[self.partition].parked.items()}

    def log(self) -> dict[tuple[bytes, int], bytes | None]:
        """What the log of parked records says last of each."""
        found = self.bank.read(self.bank.names.parked(self.engine.topology.group), self.partition)
        return {read_parked_key(each.key or b""): each.value for each in found}

    def letters(self) -> Sequence[str | None]:
        """Why there are dead letters."""
        return [each.header("vw_reason") for each in self.bank.dead_letters(self.partition, TABLE)]


@pytest.fixture(scope="module")
def running(bank: Bank, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with Engine(bank, bank_jars.table(parking=FEW), [bank.partition()], tmp_path_factory.mktemp("parks")) as engine:
        yield engine


@pytest.fixture
def parks(bank: Bank, running: Engine, partition: int, tmp_path: Path, sender: RequestSender) -> Parked:
    running.own(partition)
    return Parked(bank, running, tmp_path, sender)


def test_a_parked_key_waits_with_all_later_records_and_others_go_on(parks: Parked) -> None:
    parks.put("a", 1)
    bad = parks.put("a", 10, how="raises")
    parks.put("b", 2)
    parks.put("a", 100)  # of the same batch
    parks.engine.run()
    parks.put("a", 1000)  # of a later one
    parks.put("b", 2)
    parks.engine.run()
    assert parks.pence() == {"a": 1, "b": 4}
    assert parks.engine.core.stopped() == {}
    assert parks.keys() == {b"a": (0, 3)}
    its: ParkedKey = parks.engine.reader.states[parks.partition].parked[b"a"]
    assert ".put raised RuntimeError: no such jar" in its.reason
    assert parks.engine.inputs(parks.partition) == {parks.topic: bad + 5}
    assert [key for key, value in parks.log().items() if value] == [(b"a", 0), (b"a", 1), (b"a", 2)]
    assert parks.letters() == []


def test_parked_keys_are_there_after_a_restart_and_at_another_worker(parks: Parked) -> None:
    parks.put("a", 1)
    parks.put("a", 10, how="raises")
    parks.put("a", 100)
    parks.engine.run()
    parks.engine.prepare()  # with its copy
    assert parks.keys() == {b"a": (0, 2)}
    parks.put("a", 1000)
    parks.engine.run()
    assert parks.pence() == {"a": 1}
    with parks.another() as other:  # from the logs alone
        assert parks.keys(other) == {b"a": (0, 3)}
        parks.put("a", 5)
        other.run()
        assert parks.pence(other) == {"a": 1}
        assert parks.keys(other) == {b"a": (0, 4)}


def test_a_retry_handles_all_parked_records_in_order_and_once(parks: Parked) -> None:
    parks.put("a", 1)
    parks.put("a", 10, how="raises")
    parks.put("a", 100)
    parks.engine.run()
    with parks.another(mended=True) as mended:
        parks.ask("retry", "a")
        mended.run()
        assert parks.pence(mended) == {"a": 111}
        assert parks.keys(mended) == {}
        assert set(parks.log().values()) == {None}
        parks.ask("retry", "a")  # there is nothing any more
        parks.put("a", 1000)
        mended.run()
        mended.prepare()
        mended.run()
        assert parks.pence(mended) == {"a": 1111}


def test_a_retry_that_fails_at_the_nth_keeps_what_came_before_and_parks_the_rest(parks: Parked) -> None:
    parks.put("a", 10, how="raises")
    parks.put("a", 100)
    parks.put("a", 1000, how="row of another class")
    parks.put("a", 5)
    parks.engine.run()
    with parks.another() as other:  # the first was mended by nobody: skipped, then the third fails
        parks.ask("skip", "a", offset=0)
        other.run()
        assert parks.pence(other) == {"a": 100}
        assert parks.keys(other) == {b"a": (2, 4)}
        assert "returned JarState" in other.reader.states[parks.partition].parked[b"a"].reason
        assert parks.letters() == ["skipped"]
        parks.ask("skip", "a", offset=0)  # of the record before: it is not the first any more
        other.run()
        assert parks.keys(other) == {b"a": (2, 4)}
    with parks.another("third", mended=True) as mended:
        parks.ask("retry", "a")
        mended.run()
        assert parks.pence(mended) == {"a": 1105}
    assert parks.letters() == ["skipped"]


def test_a_retry_of_many_records_takes_several_transactions_while_new_ones_arrive(
    parks: Parked, monkeypatch: pytest.MonkeyPatch
) -> None:
    parks.put("a", 10, how="raises")
    parks.put("a", 100, 100, 100)
    parks.engine.run()
    monkeypatch.setattr(engine_parking, "PIECE", 2)
    with parks.another(mended=True) as mended:
        parks.ask("retry", "a")
        mended.run()
        assert parks.keys(mended) == {b"a": (2, 4)}
        parks.put("a", 1000)  # behind those that wait
        mended.run()
        mended.run()
        mended.run()
        assert parks.keys(mended) == {}
        assert parks.pence(mended) == {"a": 1310}


def test_parking_ends_at_its_limit_of_keys_and_then_the_partition_stops(parks: Parked) -> None:
    for jar in ("a", "b", "c"):
        last = parks.put(jar, 1, how="raises")
    parks.engine.run_through()
    (why,) = parks.engine.core.stopped().values()
    assert f"stopped at {parks.topic}/{parks.partition}/{last}: " in why
    assert "2 keys are parked already" in why
    assert parks.keys() == {b"a": (0, 1), b"b": (0, 1)}


def test_parking_ends_at_its_limit_of_records_and_then_the_partition_stops(parks: Parked) -> None:
    parks.put("a", 1, how="raises")
    parks.put("a", *range(7))
    parks.put("b", 1)
    parks.engine.run_through()
    assert "6 records are parked already" in parks.engine.core.stopped()[parks.partition]
    assert parks.engine.inputs(parks.partition) == {parks.topic: 6}


def test_parking_takes_a_row_that_cannot_be_encoded(parks: Parked) -> None:
    parks.put("a", 1)
    parks.put("a", 10, how="row out of bounds")
    parks.put("b", 2)
    parks.engine.run_through()
    assert parks.pence() == {"a": 1, "b": 2}
    assert parks.keys() == {b"a": (0, 1)}
    assert parks.engine.core.stopped() == {}


def test_parked_records_that_are_lost_stop_the_partition(parks: Parked) -> None:
    parks.put("a", 1, how="raises")
    parks.engine.run()
    parks.bank.put(parks.bank.names.parked(parks.engine.topology.group), parks.partition, b"a" + bytes(8), None)
    with parks.another() as other:
        assert "1 records are parked, and" in other.core.stopped()[parks.partition]


def test_parked_records_keep_a_table_from_running_without_parking(parks: Parked) -> None:
    parks.put("a", 1, how="raises")
    parks.engine.run()
    with parks.another(limits=None) as without:
        assert "declares no parking any more" in without.core.stopped()[parks.partition]


def test_parked_records_are_skipped_by_a_request_of_the_same_transaction(parks: Parked) -> None:
    """Then they are in no copy yet: what is under way has them."""
    bad = parks.put("a", 10, how="raises")
    parks.put("a", 100)
    parks.ask("skip", "a", offset=bad)
    parks.engine.run()
    assert parks.letters() == ["skipped"]
    assert parks.pence() == {"a": 100}
    assert parks.keys() == {}


def test_parking_begins_on_a_changelog_and_a_copy_of_before(parks: Parked, caplog: pytest.LogCaptureFixture) -> None:
    parks.put("a", 1)
    with parks.another("old", limits=None) as before:
        before.run()
        assert parks.pence(before) == {"a": 1}
    caplog.clear()
    with parks.another("old") as after:
        parks.put("a", 10, how="raises")
        parks.put("a", 100)
        after.run()
        assert parks.pence(after) == {"a": 1}
        assert parks.keys(after) == {b"a": (0, 2)}
    assert [line for line in caplog.messages if "copy" in line] == []  # it was not thrown away


def test_parking_needs_room_for_each_key() -> None:
    with pytest.raises(ContractError, match="no fewer records than keys"):
        replace(FEW, records=1)
