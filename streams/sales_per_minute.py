"""The table of sales per minute and country, by the time at which the orders were placed, not by today's."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from schemas.orders import OrderConfirmed
from schemas.sales import SalesMinuteRow, SalesPerMinute
from verbwire import Table, Window

# An import sends weeks within seconds, and orders of different partitions overtake each other: late is only what comes
# when a whole month has passed already.
MINUTES = Window(timedelta(minutes=1), lateness=timedelta(days=31), retention=timedelta(days=366))

sales_per_minute = Table("shop.sales_per_minute", row=SalesMinuteRow, window=MINUTES)
sales_per_minute.answers(SalesPerMinute)


@sales_per_minute.rekeys
def country(event: OrderConfirmed) -> str:
    """Where it was sold to."""
    return event.country


@sales_per_minute.on
def sold(row: SalesMinuteRow | None, event: OrderConfirmed) -> SalesMinuteRow:
    """One sale more in its minute."""
    row = row or SalesMinuteRow(country=event.country, minute=event.placed_at.replace(second=0, microsecond=0))
    return replace(row, orders=row.orders + 1, total_pence=row.total_pence + event.total_pence)
