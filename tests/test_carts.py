"""The domain of carts, as pure functions: no broker, no worker."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from consumers.carts import carts
from schemas.carts import (
    AddProductToCart,
    CartCheckedOut,
    CartLine,
    CartRow,
    CartState,
    CartStatus,
    CheckOutCart,
    ProductAddedToCart,
)
from streams.carts import carts as table
from tests.shop import catalog
from verbwire.testing import fold, given

CATALOG = catalog()
NOON = datetime(2010, 12, 1, 12, tzinfo=UTC)

ADD = AddProductToCart(
    cart_id="536365",
    stock_code="85123A",
    description="WHITE HANGING HEART T-LIGHT HOLDER",
    quantity=6,
    unit_price_pence=255,
    customer_id="17850",
    country="United Kingdom",
)
ADDED = ProductAddedToCart(
    cart_id="536365",
    stock_code="85123A",
    description="WHITE HANGING HEART T-LIGHT HOLDER",
    quantity=6,
    unit_price_pence=255,
    line_pence=1530,
    customer_id="17850",
    country="United Kingdom",
)
OPEN = CartState(cart_id="536365", lines=1, total_pence=1530)
CLOSED = replace(OPEN, checked_out=True)
CHECK_OUT = CheckOutCart(cart_id="536365", customer_id="17850", country="United Kingdom", checked_out_at=NOON)
CHECKED_OUT = CartCheckedOut(
    cart_id="536365",
    customer_id="17850",
    country="United Kingdom",
    lines=1,
    total_pence=1530,
    checked_out_at=NOON,
)


def test_first_product_opens_the_cart() -> None:
    given(carts, catalog=CATALOG).when(ADD).then(ADDED).then_state(
        CartState(cart_id="536365", lines=1, total_pence=1530, checked_out=False)
    )


def test_the_same_product_again_is_another_line() -> None:
    given(carts, state=OPEN, catalog=CATALOG).when(ADD).then(ADDED).then_state(
        CartState(cart_id="536365", lines=2, total_pence=3060, checked_out=False)
    )


@pytest.mark.parametrize("quantity", [0, -1, -9360])
def test_a_quantity_has_to_be_positive(quantity: int) -> None:
    given(carts, catalog=CATALOG).when(replace(ADD, quantity=quantity)).then_rejected("quantity_not_positive")


@pytest.mark.parametrize("pence", [0, -1])
def test_a_price_has_to_be_positive(pence: int) -> None:
    given(carts, catalog=CATALOG).when(replace(ADD, unit_price_pence=pence)).then_rejected("price_not_positive")


def test_the_quantity_is_looked_at_before_the_price() -> None:
    wrong = replace(ADD, quantity=-1, unit_price_pence=0)
    given(carts, catalog=CATALOG).when(wrong).then_rejected("quantity_not_positive")


def test_a_refused_product_leaves_the_cart_as_it_was() -> None:
    given(carts, state=OPEN, catalog=CATALOG).when(replace(ADD, quantity=0)).then_state(OPEN)


def test_nothing_can_be_added_after_the_check_out() -> None:
    given(carts, state=CLOSED, catalog=CATALOG).when(ADD).then_rejected("already_checked_out")


def test_a_check_out_carries_the_total() -> None:
    given(carts, state=replace(OPEN, lines=2, total_pence=1600), catalog=CATALOG).when(CHECK_OUT).then(
        replace(CHECKED_OUT, lines=2, total_pence=1600)
    )


def test_an_empty_cart_cannot_be_checked_out() -> None:
    given(carts, catalog=CATALOG).when(CHECK_OUT).then_rejected("empty_cart")


def test_a_cart_of_refused_products_is_empty() -> None:
    given(carts, catalog=CATALOG).when(replace(ADD, quantity=0)).then_rejected("quantity_not_positive").when(
        CHECK_OUT
    ).then_rejected("empty_cart")


def test_a_cart_is_checked_out_once() -> None:
    given(carts, state=OPEN, catalog=CATALOG).when(CHECK_OUT).then(CHECKED_OUT).when(CHECK_OUT).then_rejected(
        "already_checked_out"
    )


def test_a_guest_checks_out_without_a_customer() -> None:
    guest = replace(CHECK_OUT, customer_id=None)
    given(carts, state=OPEN, catalog=CATALOG).when(guest).then(replace(CHECKED_OUT, customer_id=None))


def test_the_table_shows_an_open_cart_with_its_lines() -> None:
    other = replace(ADDED, stock_code="POST", description="POSTAGE", quantity=1, unit_price_pence=70, line_pence=70)
    assert fold(table, ADDED, other, catalog=CATALOG) == CartRow(
        cart_id="536365",
        status=CartStatus.OPEN,
        customer_id="17850",
        country="United Kingdom",
        lines=2,
        quantity=7,
        total_pence=1600,
        checked_out_at=None,
        products=(
            CartLine(
                stock_code="85123A",
                description="WHITE HANGING HEART T-LIGHT HOLDER",
                quantity=6,
                unit_price_pence=255,
            ),
            CartLine(stock_code="POST", description="POSTAGE", quantity=1, unit_price_pence=70),
        ),
    )


def test_the_table_shows_the_first_customer_that_is_named() -> None:
    guest, other = replace(ADDED, customer_id=None), replace(ADDED, customer_id="13047")
    row = fold(table, guest, ADDED, other, guest, catalog=CATALOG)
    assert row is not None
    assert row.customer_id == "17850"


def test_the_table_shows_a_cart_that_was_checked_out() -> None:
    before, after = fold(table, ADDED), fold(table, ADDED, CHECKED_OUT, catalog=CATALOG)
    assert before is not None
    assert after == replace(before, status=CartStatus.CHECKED_OUT, checked_out_at=NOON)
