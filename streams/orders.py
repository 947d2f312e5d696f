"""The table of orders: how far each is. A customer sees their own; staff, by a scope, all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from schemas.orders import FindOrders, GetOrder, OrderCancelled, OrderConfirmed, OrderPlaced, OrderRow, OrderStatus
from streams.sight import own_unless
from verbwire import Principal, Table

orders = Table(
    "shop.orders",
    row=OrderRow,
    answers=[GetOrder, FindOrders],
    index=["customer_id", "status"],
    search=["note", "country"],
)


@orders.visible
def own(principal: Principal) -> Mapping[str, Any]:
    """A customer sees their own orders, staff all of them."""
    return own_unless("orders:all", principal, "customer_id")


@orders.on
def placed(order: OrderRow | None, event: OrderPlaced) -> OrderRow:
    """A new order."""
    return OrderRow(
        order_id=event.order_id,
        customer_id=event.customer_id,
        country=event.country,
        total_pence=event.total_pence,
        placed_at=event.placed_at,
        note=event.note,
    )


@orders.on
def confirmed(order: OrderRow, event: OrderConfirmed) -> OrderRow:
    """It is a sale."""
    return replace(order, status=OrderStatus.CONFIRMED)


@orders.on
def cancelled(order: OrderRow, event: OrderCancelled) -> OrderRow:
    """It came to nothing."""
    return replace(order, status=OrderStatus.CANCELLED, cancelled_because=event.reason)
