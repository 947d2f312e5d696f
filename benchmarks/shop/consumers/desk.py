"""The receiver of orders: one event and one state row for every command, refused only when it comes twice."""

from __future__ import annotations

from benchmarks.shop.schemas.desk import OrderAccepted, OrderState, PlaceOrder
from verbwire import Aggregate, Rejected

desk = Aggregate("bench.desk", state=OrderState)


@desk.handles
def place(command: PlaceOrder, order: OrderState | None) -> OrderAccepted | Rejected:
    """Accept what was not placed before."""
    if order is not None:
        return Rejected("already_placed")
    return OrderAccepted(order_id=command.order_id, customer_id=command.customer_id, total_pence=command.total_pence)


@desk.applies
def accepted(_: OrderState | None, event: OrderAccepted) -> OrderState:
    """Remember it."""
    return OrderState(order_id=event.order_id, customer_id=event.customer_id, total_pence=event.total_pence)
