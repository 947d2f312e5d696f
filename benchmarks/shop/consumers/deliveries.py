"""A process and a subscriber that have little to do: they are among the groups whose idling is measured."""

from __future__ import annotations

from benchmarks.shop.schemas.desk import DeliveryState, OrderAccepted, PlaceOrder
from verbwire import Outcome, Process, Subscriber

deliveries = Process("bench.deliveries", state=DeliveryState, sends=[PlaceOrder], scopes=["orders:write"])
receipts = Subscriber("bench.receipts")


@deliveries.on(key="order_id")
def accepted(_: DeliveryState | None, event: OrderAccepted) -> DeliveryState:
    """An order waits to be delivered."""
    return DeliveryState(order_id=event.order_id)


@deliveries.outcome_of(PlaceOrder)
def placed(state: DeliveryState | None, _: Outcome) -> DeliveryState | None:
    """Nothing is ordered again."""
    return state


@receipts.on
def receipt(event: OrderAccepted) -> None:
    """Nothing is printed."""
