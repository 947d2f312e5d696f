"""The table of sales per minute and country, by the time at which the orders were placed, not by today's."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from schemas.orders import OrderConfirmed
from schemas.sales import SalesMinuteRow, SalesPerMinute
from verbwire import Table, Window

# Old books are brought in beside today's sales, and orders of different partitions overtake each other: nothing of the
# last twenty years is late, and so long it is kept.
KEPT = timedelta(days=20 * 366)
MINUTES = Window(timedelta(minutes=1), lateness=KEPT, retention=KEPT)

sales_per_minute = Table("shop.sales_per_minute", row=SalesMinuteRow, answers=[SalesPerMinute], window=MINUTES)


@sales_per_minute.rekeys
def country(event: OrderConfirmed) -> str:
    """Where it was sold to."""
    return event.country


@sales_per_minute.on
def sold(row: SalesMinuteRow | None, event: OrderConfirmed) -> SalesMinuteRow:
    """One sale more in its minute."""
    row = row or SalesMinuteRow(country=event.country, minute=event.placed_at.replace(second=0, microsecond=0))
    return replace(row, orders=row.orders + 1, total_pence=row.total_pence + event.total_pence)
