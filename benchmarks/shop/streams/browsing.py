"""The orders as people look for them: by number, by status, by words. What reading costs is measured on it."""

from __future__ import annotations

from benchmarks.shop.schemas.orders import FindOrderCards, GetOrderCard, OrderCard, OrderPlaced
from verbwire import Table

STATUSES = ("placed", "packed", "sent", "delivered", "returned")
COLOURS = ("amber", "black", "crimson", "green", "ivory", "navy", "olive", "pink", "teal", "white")
THINGS = ("apron", "basket", "candle", "doorstop", "easel", "frame", "garland", "hook", "jar", "kettle", "lantern")

browsing = Table(
    "bench.browsing", row=OrderCard, answers=[GetOrderCard, FindOrderCards], index=["status"], search=["note"]
)


@browsing.on
def placed(_: OrderCard | None, event: OrderPlaced) -> OrderCard:
    """A row with words that many have, and one that few have."""
    n = event.total_pence
    return OrderCard(
        order_id=event.order_id,
        customer_id=event.customer_id,
        total_pence=n,
        status=STATUSES[n % len(STATUSES)],
        note=f"{COLOURS[n % len(COLOURS)]} {THINGS[n % len(THINGS)]} for {event.customer_id}",
    )
