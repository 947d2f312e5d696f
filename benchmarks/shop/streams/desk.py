"""The accepted orders, to be asked for: how long a row takes to be there is measured on it."""

from __future__ import annotations

from benchmarks.shop.schemas.desk import AcceptedOrder, GetAcceptedOrder, OrderAccepted
from verbwire import Table

accepted_orders = Table("bench.accepted", row=AcceptedOrder, answers=[GetAcceptedOrder])


@accepted_orders.on
def accepted(_: AcceptedOrder | None, event: OrderAccepted) -> AcceptedOrder:
    """The row says what the event says."""
    return AcceptedOrder(order_id=event.order_id, customer_id=event.customer_id, total_pence=event.total_pence)
