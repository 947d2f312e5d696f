"""What the users of the bank's tills would write: tables of events that count under other keys than the tills'."""

from __future__ import annotations

from itertools import count

from msgspec.structs import replace

from tests.platform.engine_samples.tills import CoinsMoved, OwnerRow
from verbwire import Context, Table
from verbwire.messages import Kind
from verbwire.wire.murmur2 import partition_of
from verbwire.wire.topics import GroupPlan

NAMESPACE = "bank.tills"
OWNERS = "bank.owners"
GROUPS = (GroupPlan(OWNERS, Kind.EVENT, (NAMESPACE,), ("owners",), rekeys=True),)


def owners(mended: bool = False) -> Table[OwnerRow]:
    """The table of what each owner has moved, at whatever till; nobody's coins are in nobody's row."""
    table = Table(OWNERS, row=OwnerRow)

    @table.rekeys
    def owner(event: CoinsMoved) -> str | None:
        if event.how == "no key" and not mended:
            raise RuntimeError("whose is it?")
        return "" if event.how == "empty key" and not mended else event.owner

    @table.on
    def moved(row: OwnerRow | None, event: CoinsMoved, context: Context) -> OwnerRow:
        if event.how == "raises" and not mended:
            raise RuntimeError("the till is jammed")
        row = row or OwnerRow(owner=event.owner or "")
        told = f"{context.id} {context.topic}/{context.partition}/{context.offset} {context.time.isoformat()}"
        return replace(row, pence=row.pence + event.pence, seen=(*row.seen, told))

    return table


def living_in(partition: int, partitions: int, nth: int = 0) -> str:
    """The `nth` name whose key belongs to that partition."""
    names = (f"o{number}" for number in count())
    found = (name for name in names if partition_of(name.encode(), partitions) == partition)
    return next(name for number, name in enumerate(found) if number == nth)
