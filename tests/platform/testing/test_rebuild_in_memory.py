"""A changed handler tried on what has happened: all events folded anew in memory, beside the rows that stand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from tests.kit.bank import CATALOG
from tests.kit.bank_tills import MINUTE, MINUTES, OWNERS
from tests.kit.samples.bank.tills import CoinsMoved, MinuteRow, OwnerRow
from verbwire import Context, Table
from verbwire.testing import GroupStoppedError, InMemory, RecordParkedError

NOW = datetime(2010, 12, 1, 8, 26, tzinfo=UTC)


def owners(times: int = 1, jams: str = "never") -> Table[OwnerRow]:
    """By owner, of which tills know nothing: records are handed over. The row has seen them in order."""
    table = Table(OWNERS, row=OwnerRow)

    @table.rekeys
    def owner(event: CoinsMoved) -> str | None:
        return event.owner

    @table.on
    def moved(row: OwnerRow | None, event: CoinsMoved) -> OwnerRow | None:
        if event.how == jams:
            raise RuntimeError("the till is jammed")
        row = row or OwnerRow(owner=event.owner or "")
        return replace(row, pence=row.pence + times * event.pence, seen=(*row.seen, str(event.pence)))

    return table


def minutes() -> Table[MinuteRow]:
    table = Table(MINUTES, row=MinuteRow, window=MINUTE)

    @table.on
    def moved(row: MinuteRow | None, event: CoinsMoved, context: Context) -> MinuteRow:
        assert context.window is not None
        row = row or MinuteRow(owner=event.till_id, minute=context.window)
        return replace(row, pence=row.pence + event.pence)

    return table


def moved(number: int, owner: str = "ann", how: str = "", at: datetime = NOW) -> CoinsMoved:
    return CoinsMoved(till_id=f"till-{number % 5}", owner=owner, pence=number, how=how, moved_at=at)


def unchanged(bank: InMemory, table: Table[Any]) -> None:
    found = bank.rebuild(table)
    assert found.equal, found
    assert found.rows == bank.rows(table)


def test_a_rebuild_in_memory_makes_the_same_rows_by_the_same_handlers() -> None:
    tables = owners(), minutes()
    with InMemory(*tables, catalog=CATALOG, partitions=3, now=NOW) as bank:
        for number in range(700):
            bank.publish(moved(number, f"owner-{number % 7}", at=NOW - timedelta(seconds=number % 50)))
        for table in tables:
            unchanged(bank, table)
        assert len(bank.rows(tables[0])) == 7, "among them are keys of all partitions"


def test_a_rebuild_in_memory_tells_what_a_changed_handler_makes_different() -> None:
    standing = owners()
    with InMemory(standing, catalog=CATALOG, partitions=3, now=NOW) as bank:
        bank.publish(moved(5))
        bank.publish(moved(0, "bob"))
        before = bank.rows(standing)
        found = bank.rebuild(owners(times=2))
        assert {key: (old.pence, new.pence) for key, (old, new) in found.changed.items()} == {"ann": (5, 10)}
        assert (found.added, found.removed, found.equal) == ({}, {}, False)
        assert bank.rows(standing) == before, "nothing that stands is touched"
        bank.publish(moved(1))
        assert bank.rebuild(owners(times=2)).rows["ann"].pence == 12, "once more, from the first event on"
        assert bank.row(standing, "ann") is not None
        assert bank.rebuild(standing).equal


def test_a_rebuild_in_memory_tells_rows_that_come_and_go() -> None:
    def without(gone: str) -> Table[OwnerRow]:
        table = Table(OWNERS, row=OwnerRow)

        @table.rekeys
        def owner(event: CoinsMoved) -> str | None:
            return event.owner

        @table.on
        def moved(_: OwnerRow | None, event: CoinsMoved) -> OwnerRow | None:
            return None if event.owner == gone else OwnerRow(owner=event.owner or "", pence=event.pence)

        return table

    with InMemory(without("ann"), catalog=CATALOG, now=NOW) as bank:
        bank.publish(moved(5))
        bank.publish(moved(6, "bob"))
        found = bank.rebuild(without("bob"))
        assert ({*found.added}, {*found.removed}, found.changed) == ({"ann"}, {"bob"}, {})


def test_a_rebuild_in_memory_raises_for_what_the_changed_handler_cannot_do() -> None:
    with InMemory(owners(), catalog=CATALOG, now=NOW) as bank:
        bank.publish(moved(5, how="sticky"))
        bank.publish(moved(6, "bob"))
        with pytest.raises(RecordParkedError, match=r"bank\.tills") as told:
            bank.rebuild(owners(jams="sticky"))
        assert isinstance(told.value.__cause__, RuntimeError)
        assert isinstance(told.value, GroupStoppedError)
        assert bank.stopped == {}
        assert bank.parked(owners()) == {}
