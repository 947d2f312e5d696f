"""A table that somebody adds to the running shop: sums alone, from the events that are there since the beginning."""

from __future__ import annotations

from msgspec.structs import replace

from schemas.carts import CartCheckedOut, CartRow, CartStatus, ProductAddedToCart
from verbwire import Table

sums = Table("shop.sums", row=CartRow)


@sums.on
def added(sum_: CartRow | None, event: ProductAddedToCart) -> CartRow:
    """One line more."""
    sum_ = sum_ or CartRow(cart_id=event.cart_id)
    return replace(sum_, lines=sum_.lines + 1, total_pence=sum_.total_pence + event.line_pence)


@sums.on
def closed(sum_: CartRow | None, event: CartCheckedOut) -> CartRow:
    """Nothing comes any more."""
    return replace(sum_ or CartRow(cart_id=event.cart_id), status=CartStatus.CHECKED_OUT)
