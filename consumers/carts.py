"""The aggregate of carts: fills them, and checks each out once.

It keeps its state and nothing else: a handler returns the cart as it is now beside what happened. Orders and accounts
are made of their events instead; which of the two fits is each receiver's own choice.
"""

from __future__ import annotations

from msgspec.structs import replace

from schemas.carts import AddProductToCart, CartCheckedOut, CartState, CheckOutCart, ProductAddedToCart
from verbwire import Aggregate, Rejected

carts = Aggregate("shop.carts", state=CartState)

# What an order may cost, and what the table's row of a cart has room for: see CartCheckedOut and CartRow.
MOST_LINES = 2_000
MOST_PENCE = 1_000_000_000_000


@carts.handles
def add_product(command: AddProductToCart, cart: CartState | None) -> tuple[CartState, ProductAddedToCart] | Rejected:
    """Put a product into a cart that still takes some; the first one opens it."""
    if command.quantity <= 0:
        return Rejected("quantity_not_positive", f"a quantity of {command.quantity} adds nothing")
    if command.unit_price_pence <= 0:
        return Rejected("price_not_positive", f"{command.unit_price_pence} pence is no price")
    cart = cart or CartState(cart_id=command.cart_id)
    if cart.checked_out:
        return Rejected("already_checked_out", f"cart {cart.cart_id} is closed")
    line_pence = command.quantity * command.unit_price_pence
    if cart.lines >= MOST_LINES or cart.total_pence + line_pence > MOST_PENCE:
        return Rejected(
            "cart_full", f"cart {cart.cart_id} holds {cart.lines} lines of {cart.total_pence} pence already"
        )
    added = ProductAddedToCart(
        cart_id=command.cart_id,
        stock_code=command.stock_code,
        description=command.description,
        quantity=command.quantity,
        unit_price_pence=command.unit_price_pence,
        line_pence=line_pence,
        customer_id=command.customer_id,
        country=command.country,
    )
    return replace(cart, lines=cart.lines + 1, total_pence=cart.total_pence + added.line_pence), added


@carts.handles
def check_out(command: CheckOutCart, cart: CartState | None) -> tuple[CartState, CartCheckedOut] | Rejected:
    """Close a cart that holds something, with its total."""
    if cart is None:
        return Rejected("empty_cart", f"nothing was put into cart {command.cart_id}")
    if cart.checked_out:
        return Rejected("already_checked_out", f"cart {cart.cart_id} is closed")
    closed = CartCheckedOut(
        cart_id=command.cart_id,
        customer_id=command.customer_id,
        country=command.country,
        lines=cart.lines,
        total_pence=cart.total_pence,
        checked_out_at=command.checked_out_at,
    )
    return replace(cart, checked_out=True), closed
