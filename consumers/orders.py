"""The aggregate of orders: each is placed once, and then confirmed or cancelled once."""

from __future__ import annotations

from msgspec.structs import replace

from schemas.orders import (
    CancelOrder,
    ConfirmOrder,
    OrderCancelled,
    OrderConfirmed,
    OrderPaid,
    OrderPlaced,
    OrderReceipt,
    OrderState,
    OrderStatus,
    PayOrder,
    PlaceOrder,
)
from verbwire import Aggregate, Rejected

orders = Aggregate("shop.orders", state=OrderState)


@orders.handles
def place(command: PlaceOrder, order: OrderState | None) -> tuple[OrderPlaced, OrderReceipt] | Rejected:
    """Take an order of a number that is still free."""
    if order is not None:
        return Rejected("already_placed", f"there is an order {command.order_id}, {order.status.lower()}")
    if command.total_pence <= 0:
        return Rejected("empty_order", f"{command.total_pence} pence buy nothing")
    placed = OrderPlaced(
        order_id=command.order_id,
        customer_id=command.customer_id,
        country=command.country,
        total_pence=command.total_pence,
        placed_at=command.placed_at,
        note=command.note,
        pay_within_seconds=command.pay_within_seconds,
    )
    receipt = OrderReceipt(order_id=command.order_id, total_pence=command.total_pence, placed_at=command.placed_at)
    return placed, receipt


@orders.handles
def confirm(command: ConfirmOrder, order: OrderState | None) -> OrderConfirmed | Rejected:
    """Accept an order for good, with all that a sale has to tell."""
    if order is None or order.status is not OrderStatus.PLACED:
        return _not_open(command.order_id, order)
    return OrderConfirmed(
        order_id=order.order_id,
        customer_id=order.customer_id,
        country=order.country,
        total_pence=order.total_pence,
        placed_at=order.placed_at,
    )


@orders.handles
def pay(command: PayOrder, order: OrderState | None) -> OrderPaid | Rejected:
    """Note that an order was paid for in advance, as long as it is open."""
    if order is None or order.status is not OrderStatus.PLACED:
        return _not_open(command.order_id, order)
    return _paid(order) if order.paid else OrderPaid(order_id=order.order_id)


@orders.handles
def cancel(command: CancelOrder, order: OrderState | None) -> OrderCancelled | Rejected:
    """Call off an order as long as it is neither confirmed nor paid for."""
    if order is None or order.status is not OrderStatus.PLACED:
        return _not_open(command.order_id, order)
    if order.paid:
        return _paid(order)
    return OrderCancelled(
        order_id=order.order_id,
        customer_id=order.customer_id,
        country=order.country,
        total_pence=order.total_pence,
        placed_at=order.placed_at,
        reason=command.reason,
    )


def _paid(order: OrderState) -> Rejected:
    return Rejected("already_paid", f"order {order.order_id} is paid for")


def _not_open(order_id: str, order: OrderState | None) -> Rejected:
    if order is None:
        return Rejected("not_placed", f"there is no order {order_id}")
    if order.status is OrderStatus.CONFIRMED:
        return Rejected("already_confirmed", f"order {order_id} was confirmed")
    if order.status is OrderStatus.CANCELLED:
        return Rejected("already_cancelled", f"order {order_id} was cancelled")
    raise RuntimeError(f"order {order_id} is {order.status}: only a newer version of this receiver can tell")


@orders.applies
def placed(order: OrderState | None, event: OrderPlaced) -> OrderState:
    """Keep what the later events repeat."""
    return OrderState(
        order_id=event.order_id,
        customer_id=event.customer_id,
        country=event.country,
        total_pence=event.total_pence,
        placed_at=event.placed_at,
    )


@orders.applies
def paid(order: OrderState, event: OrderPaid) -> OrderState:
    """It is not cancelled any more."""
    return replace(order, paid=True)


@orders.applies
def confirmed(order: OrderState, event: OrderConfirmed) -> OrderState:
    """Nothing can be done about it any more."""
    return replace(order, status=OrderStatus.CONFIRMED)


@orders.applies
def cancelled(order: OrderState, event: OrderCancelled) -> OrderState:
    """Nothing can be done about it any more."""
    return replace(order, status=OrderStatus.CANCELLED)
