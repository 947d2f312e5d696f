"""A table of orders with one index: every event makes a row of its own, the most a table has to do for an event."""

from __future__ import annotations

from benchmarks.shop.schemas.orders import OrderPlaced, OrderRow
from verbwire import Table

orders = Table("bench.orders", row=OrderRow, index=["customer_id"])


@orders.on
def placed(_: OrderRow | None, event: OrderPlaced) -> OrderRow:
    """The row says what the event says."""
    return OrderRow(
        order_id=event.order_id, customer_id=event.customer_id, total_pence=event.total_pence, items=event.items
    )
