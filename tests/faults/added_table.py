"""A table that somebody adds to the running shop: sums alone, from the events that are there since the beginning."""

from __future__ import annotations

from msgspec.structs import replace

from schemas.carts import CartCheckedOut, CartState, ProductAddedToCart
from verbwire import Table

sums = Table("shop.sums", row=CartState)


@sums.on
def added(sum_: CartState | None, event: ProductAddedToCart) -> CartState:
    """One line more."""
    sum_ = sum_ or CartState(cart_id=event.cart_id)
    return replace(sum_, lines=sum_.lines + 1, total_pence=sum_.total_pence + event.line_pence)


@sums.on
def closed(sum_: CartState | None, event: CartCheckedOut) -> CartState:
    """Nothing comes any more."""
    return replace(sum_ or CartState(cart_id=event.cart_id), checked_out=True)
