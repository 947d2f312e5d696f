"""The table of carts: what is in each, whose it is, and whether it was checked out."""

from __future__ import annotations

from msgspec.structs import replace

from schemas.carts import CartCheckedOut, CartLine, CartRow, CartStatus, GetCart, ProductAddedToCart
from verbwire import Table

carts = Table("shop.carts", row=CartRow, answers=[GetCart], index=["customer_id", "status"])


@carts.on
def product_added(cart: CartRow | None, event: ProductAddedToCart) -> CartRow:
    """One line more; the first one opens the cart."""
    cart = cart or CartRow(cart_id=event.cart_id, country=event.country)
    line = CartLine(
        stock_code=event.stock_code,
        description=event.description,
        quantity=event.quantity,
        unit_price_pence=event.unit_price_pence,
    )
    return replace(
        cart,
        customer_id=cart.customer_id or event.customer_id,
        lines=cart.lines + 1,
        quantity=cart.quantity + event.quantity,
        total_pence=cart.total_pence + event.line_pence,
        products=(*cart.products, line),
    )


@carts.on
def checked_out(cart: CartRow | None, event: CartCheckedOut) -> CartRow:
    """The cart is closed; who pays is known now at the latest."""
    return replace(
        cart or CartRow(cart_id=event.cart_id),
        status=CartStatus.CHECKED_OUT,
        customer_id=event.customer_id,
        country=event.country,
        checked_out_at=event.checked_out_at,
    )
