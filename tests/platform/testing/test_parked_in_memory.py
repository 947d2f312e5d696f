"""Parking as users test it: in memory, with handlers that are mended meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from tests.kit import bank_jars
from tests.kit.bank import CATALOG
from tests.kit.bank_tills import MINUTE, MINUTES, OWNERS, SAVINGS, savings
from tests.kit.samples.bank.jars import PutCoins
from tests.kit.samples.bank.tills import CoinsMoved, MinuteRow, OwnerRow, SavingState
from verbwire import Context, Deadline, Parking, Process, Table
from verbwire.testing import GroupStoppedError, InMemory, RecordParkedError

NOW = datetime(2010, 12, 1, 8, 26, tzinfo=UTC)


@dataclass
class Fault:
    """What is wrong until it is mended."""

    kinds: set[str] = field(default_factory=lambda: {"raises"})

    def check(self, how: str) -> None:
        if how in self.kinds:
            raise RuntimeError(f"the till is jammed: {how}")


FEW = Parking(keys=2, records=5)


def owners(fault: Fault, parking: Parking | None = FEW) -> Table[OwnerRow]:
    table = Table(OWNERS, row=OwnerRow, parking=parking)

    @table.rekeys
    def owner(event: CoinsMoved) -> str | None:
        return event.owner

    @table.on
    def moved(row: OwnerRow | None, event: CoinsMoved) -> OwnerRow:
        fault.check(event.how)
        row = row or OwnerRow(owner=event.owner or "")
        return replace(row, pence=row.pence + event.pence, seen=(*row.seen, str(event.pence)))

    return table


def minutes(fault: Fault) -> Table[MinuteRow]:
    table = Table(MINUTES, row=MinuteRow, window=MINUTE)

    @table.on
    def moved(row: MinuteRow | None, event: CoinsMoved, context: Context) -> MinuteRow:
        fault.check(event.how)
        assert context.window is not None
        row = row or MinuteRow(owner=event.owner or event.till_id, minute=context.window)
        return replace(row, pence=row.pence + event.pence)

    return table


def move(pence: int, owner: str | None = "ann", how: str = "", at: float = 0, till: str = "t") -> CoinsMoved:
    return CoinsMoved(till_id=till, owner=owner, pence=pence, how=how, moved_at=NOW + timedelta(seconds=at))


@pytest.fixture
def fault() -> Fault:
    return Fault()


@pytest.fixture
def table(fault: Fault) -> Table[OwnerRow]:
    return owners(fault)


@pytest.fixture
def tills(table: Table[OwnerRow]) -> Iterator[InMemory]:
    with InMemory(table, catalog=CATALOG, actor="ann", partitions=3, now=NOW) as project:
        yield project


def seen(tills: InMemory, table: Table[Any]) -> dict[str, tuple[str, ...]]:
    return {owner: row.seen for owner, row in tills.rows(table).items()}


def test_parked_in_memory_is_the_key_it_counts_under_and_a_test_is_told_once(
    tills: InMemory, table: Table[OwnerRow], fault: Fault
) -> None:
    tills.publish(move(1))
    with pytest.raises(RecordParkedError, match=r"is parked: .*the till is jammed") as caught:
        tills.publish(move(2, how="raises"))
    assert isinstance(caught.value.__cause__, RuntimeError)
    tills.publish(move(3))
    tills.publish(move(4, owner="bob"))
    assert seen(tills, table) == {"ann": ("1",), "bob": ("4",)}
    assert {key: its.records for key, its in tills.parked(table).items()} == {"ann": 2}
    assert tills.stopped == {}
    with pytest.raises(RecordParkedError):
        tills.retry_parked(table, "ann")
    fault.kinds.clear()
    tills.retry_parked(table, "ann")
    assert seen(tills, table) == {"ann": ("1", "2", "3"), "bob": ("4",)}
    assert tills.parked(table) == {}


def test_parked_in_memory_may_be_skipped(tills: InMemory, table: Table[OwnerRow]) -> None:
    with pytest.raises(RecordParkedError):
        tills.publish(move(2, how="raises"))
    tills.publish(move(3))
    tills.skip_parked(table, "ann", why="of last year")
    assert seen(tills, table) == {"ann": ("3",)}
    (letter,) = tills.dead_letters
    assert (letter.reason, letter.detail) == ("skipped", "in-memory says to skip it: of last year")


def test_parked_in_memory_ends_at_the_limit(table: Table[OwnerRow]) -> None:
    with InMemory(table, catalog=CATALOG, now=NOW) as tills:
        for owner in ("ann", "bob"):
            with pytest.raises(RecordParkedError):
                tills.publish(move(1, owner, how="raises"))
        with pytest.raises(GroupStoppedError, match="2 keys are parked already"):
            tills.publish(move(1, "cid", how="raises"))


def test_parked_in_memory_without_parking_the_group_stops(fault: Fault) -> None:
    table = owners(fault, parking=None)
    with InMemory(table, catalog=CATALOG, now=NOW) as tills:
        with pytest.raises(GroupStoppedError) as caught:
            tills.publish(move(1, how="raises"))
        assert type(caught.value) is GroupStoppedError
        assert [*tills.stopped] == [OWNERS]


def test_parked_events_of_a_window_are_not_late_when_they_are_tried_again(fault: Fault) -> None:
    table = minutes(fault)
    with InMemory(table, catalog=CATALOG, now=NOW) as tills:
        with pytest.raises(RecordParkedError):
            tills.publish(move(1, None, at=0, how="raises"))
        tills.publish(move(10, None, at=20))  # in time, behind it
        tills.publish(move(100, None, at=200, till="u"))  # closes that window, whose row is still kept
        tills.publish(move(1000, None, at=25))  # too late, parked or not
        assert tills.late(table) == 1
        assert [its.records for its in tills.parked(table).values()] == [2]
        fault.kinds.clear()
        tills.retry_parked(table, "t", NOW)
        assert {minute: row.pence for (till, minute), row in tills.rows(table).items() if till == "t"} == {NOW: 11}


def test_parked_events_of_a_window_that_is_forgotten_are_late(fault: Fault) -> None:
    table = minutes(fault)
    with InMemory(table, catalog=CATALOG, now=NOW) as tills:
        with pytest.raises(RecordParkedError):
            tills.publish(move(1, None, at=0, how="raises"))
        tills.publish(move(100, None, at=1200, till="u"))  # its row would have been deleted
        fault.kinds.clear()
        tills.retry_parked(table, "t", NOW)
        assert tills.parked(table) == {}
        assert tills.late(table) == 1
        assert [till for till, _ in tills.rows(table)] == ["u"]


def test_a_parked_step_of_a_process_sends_nothing_until_it_is_handled() -> None:
    process = savings(parking=Parking())
    with InMemory(process, bank_jars.receiver(), catalog=CATALOG, actor="ann", now=NOW) as tills:
        with pytest.raises(RecordParkedError):
            tills.publish(move(5, how="raises"))
        tills.publish(move(7))
        tills.publish(move(9, owner="bob"))
        assert [each.pence for each in tills.commands(PutCoins)] == [9]
        assert {key: its.records for key, its in tills.parked(process).items()} == {"ann": 2}
        tills.skip_parked(process, "ann")
        assert sorted(each.pence for each in tills.commands(PutCoins)) == [7, 9]
        assert tills.parked(process) == {}
        assert SAVINGS not in tills.stopped


def test_a_deadline_of_a_parked_instance_waits_as_well() -> None:
    fault = Fault()
    process: Process[SavingState] = Process(SAVINGS, state=SavingState)

    @process.on(key="owner")
    def moved(state: SavingState | None, event: CoinsMoved) -> Any:
        fault.check(event.how)
        state = state or SavingState(owner=event.owner or "")
        return replace(state, pence=state.pence + event.pence), Deadline("empty", after=timedelta(minutes=5))

    @process.due("empty")
    def emptied(state: SavingState) -> SavingState:
        return replace(state, pence=0, told=(*state.told, str(state.pence)))

    with InMemory(process, catalog=CATALOG, now=NOW) as tills:
        tills.publish(move(1))
        tills.publish(move(1, owner="bob"))
        with pytest.raises(RecordParkedError):
            tills.publish(move(10, how="raises"))
        tills.advance(timedelta(minutes=6))
        assert {key: state.told for key, state in tills.rows(process).items()} == {"ann": (), "bob": ("1",)}
        fault.kinds.clear()
        tills.retry_parked(process, "ann")
        tills.advance(timedelta(minutes=6))
        assert tills.rows(process)["ann"].told == ("11",)
