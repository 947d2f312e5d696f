"""The shop as a whole, without a broker: what the real file comes to, and what becomes of orders that go wrong."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from producers.counting import Expected, Sold, count
from producers.sales_lines import ToSend, read_sales
from schemas.accounts import AccountRow, CreditBalance
from schemas.carts import AddProductToCart, CartStatus, CheckOutCart
from schemas.checkout import CheckoutState, CheckoutStep
from schemas.orders import CancelOrder, OrderStatus, PlaceOrder
from tests.shop_in_memory import Shop
from verbwire import Command

REAL = Path(__file__).parents[1] / "producers/data/online_retail_2010-12.csv.gz"
MORNING = datetime(2010, 12, 1, 8, 26, tzinfo=UTC)
PLACE = PlaceOrder(order_id="7", customer_id="17850", country="EIRE", total_pence=500, placed_at=MORNING)


@cache
def counted() -> Expected:
    return count(REAL)


@cache
def imported() -> Shop:
    """The shop after the real file: all sales, then all credits."""
    shop, sent = Shop(), [line.command for line in read_sales(REAL) if isinstance(line, ToSend)]
    for command in sorted(sent, key=lambda each: isinstance(each, CreditBalance)):
        shop.send(command)
    return shop


def rows(group: str) -> list[Any]:
    return list(imported().rows[group].values())


def test_every_command_has_the_outcome_that_was_counted_apart() -> None:
    assert imported().outcomes == counted().outcomes


def test_no_checkout_is_left_over() -> None:
    assert rows("shop.checkout") == []


def test_every_cart_became_a_confirmed_order_of_the_same_number_price_and_time() -> None:
    carts = rows("shop.carts")
    assert {row.status for row in carts} == {CartStatus.CHECKED_OUT}
    found = {
        row.cart_id: (row.country, row.customer_id or "", row.lines, row.quantity, row.total_pence) for row in carts
    }
    assert found == {
        number: (cart.country, cart.customer, cart.lines, cart.quantity, cart.pence)
        for number, cart in counted().carts.items()
    }
    assert {
        order.order_id: (order.status, order.country, order.customer_id or "", order.total_pence, minute(order))
        for order in rows("shop.orders")
    } == {
        number: (OrderStatus.CONFIRMED, cart.country, cart.customer, cart.pence, cart.minute)
        for number, cart in counted().carts.items()
    }


def minute(order: Any) -> str:
    return f"{order.placed_at:%Y-%m-%dT%H:%M}"


def test_every_account_is_as_it_was_counted_apart() -> None:
    assert {
        row.account_id: (row.debits, row.credits, row.debited_pence, row.credited_pence, row.balance_pence)
        for row in rows("shop.accounts")
    } == {
        name: (
            len(each.debits),
            len(each.credits),
            sum(each.debits),
            sum(each.credits),
            sum(each.debits) - sum(each.credits),
        )
        for name, each in counted().accounts.items()
    }


def test_sales_per_customer_and_per_minute_are_as_they_were_counted_apart() -> None:
    per_customer, per_minute = rows("shop.sales_per_customer"), rows("shop.sales_per_minute")
    assert {row.customer_id: Sold(row.orders, row.total_pence) for row in per_customer} == counted().customers
    assert {
        (row.country, f"{row.minute:%Y-%m-%dT%H:%M}"): Sold(row.orders, row.total_pence) for row in per_minute
    } == counted().minutes


def after(*commands: Command) -> Shop:
    shop = Shop()
    for command in commands:
        shop.send(command)
    return shop


def test_an_order_placed_without_a_cart_is_paid_for_and_confirmed() -> None:
    shop = after(PLACE)
    assert shop.rows["shop.accounts"] == {
        "17850": AccountRow(account_id="17850", debits=1, debited_pence=500, balance_pence=500)
    }
    (order,) = shop.rows["shop.orders"].values()
    assert getattr(order, "status", None) is OrderStatus.CONFIRMED
    assert not shop.rows["shop.checkout"]


def test_a_cart_whose_number_is_taken_leaves_a_checkout_that_says_so() -> None:
    add = AddProductToCart(
        cart_id="7",
        stock_code="POST",
        description="POSTAGE",
        quantity=1,
        unit_price_pence=70,
        customer_id="17850",
        country="EIRE",
    )
    check_out = CheckOutCart(cart_id="7", customer_id="17850", country="EIRE", checked_out_at=MORNING)
    shop = after(PLACE, add, check_out)
    (left,) = shop.rows["shop.checkout"].values()
    assert isinstance(left, CheckoutState)
    assert left.step is CheckoutStep.STOPPED
    assert "already_placed" in (left.problem or "")
    assert shop.outcomes["DebitBalance"] == {"accepted": 1}


def test_a_confirmed_order_cannot_be_cancelled() -> None:
    assert after(PLACE, CancelOrder(order_id="7", reason="changed my mind")).outcomes["CancelOrder"] == {
        "already_confirmed": 1
    }
