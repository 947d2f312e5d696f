"""The shop as a whole, without a broker: what the real file comes to, and what becomes of orders that go wrong."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from consumers.checkout import checkout
from producers.counting import Expected, Sold, count
from producers.sales_lines import ToSend, read_sales
from schemas.accounts import AccountRow, CreditBalance, DebitBalance
from schemas.carts import AddProductToCart, CartStatus, CheckOutCart
from schemas.checkout import CheckoutStep
from schemas.orders import CancelOrder, OrderStatus, PlaceOrder
from streams.accounts import accounts
from streams.carts import carts
from streams.orders import orders
from streams.sales_per_customer import sales_per_customer
from streams.sales_per_minute import sales_per_minute
from tests.shop import shop_in_memory
from verbwire import Accepted, Rejected
from verbwire.testing import InMemory

REAL = Path(__file__).parents[1] / "producers/data/online_retail_2010-12.csv.gz"
MORNING = datetime(2010, 12, 1, 8, 26, tzinfo=UTC)
PLACE = PlaceOrder(order_id="7", customer_id="17850", country="EIRE", total_pence=500, placed_at=MORNING)


@cache
def counted() -> Expected:
    return count(REAL)


@cache
def imported() -> InMemory:
    """The shop after the real file: all sales, then all credits."""
    shop, sent = shop_in_memory(), [line.command for line in read_sales(REAL) if isinstance(line, ToSend)]
    shop.send_all(command for command in sent if not isinstance(command, CreditBalance))
    shop.send_all(command for command in sent if isinstance(command, CreditBalance))
    return shop


def outcomes(shop: InMemory) -> dict[str, Counter[str]]:
    """How often each command had each outcome, by its short name."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for each in shop.outcomes():
        code = each.outcome.code if isinstance(each.outcome, Rejected) else type(each.outcome).__name__.lower()
        found[each.command.rpartition(".")[2]][code] += 1
    return found


def test_every_command_has_the_outcome_that_was_counted_apart() -> None:
    assert outcomes(imported()) == counted().outcomes


def test_no_checkout_is_left_over() -> None:
    assert imported().rows(checkout) == {}


def test_every_cart_became_a_confirmed_order_of_the_same_number_price_and_time() -> None:
    found_carts = imported().rows(carts).values()
    assert {row.status for row in found_carts} == {CartStatus.CHECKED_OUT}
    found = {
        row.cart_id: (row.country, row.customer_id or "", row.lines, row.quantity, row.total_pence)
        for row in found_carts
    }
    assert found == {
        number: (cart.country, cart.customer, cart.lines, cart.quantity, cart.pence)
        for number, cart in counted().carts.items()
    }
    assert {
        order.order_id: (order.status, order.country, order.customer_id or "", order.total_pence, minute(order))
        for order in imported().rows(orders).values()
    } == {
        number: (OrderStatus.CONFIRMED, cart.country, cart.customer, cart.pence, cart.minute)
        for number, cart in counted().carts.items()
    }


def minute(order: Any) -> str:
    return f"{order.placed_at:%Y-%m-%dT%H:%M}"


def test_every_account_is_as_it_was_counted_apart() -> None:
    assert {
        row.account_id: (row.debits, row.credits, row.debited_pence, row.credited_pence, row.balance_pence)
        for row in imported().rows(accounts).values()
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
    per_customer, per_minute = imported().rows(sales_per_customer), imported().rows(sales_per_minute)
    assert {name: Sold(row.orders, row.total_pence) for name, row in per_customer.items()} == counted().customers
    assert {
        (country, f"{minute:%Y-%m-%dT%H:%M}"): Sold(row.orders, row.total_pence)
        for (country, minute), row in per_minute.items()
    } == counted().minutes


@pytest.fixture
def shop() -> Iterator[InMemory]:
    with shop_in_memory() as found:
        yield found


def test_an_order_placed_without_a_cart_is_paid_for_and_confirmed(shop: InMemory) -> None:
    shop.send(PLACE)
    assert shop.rows(accounts) == {
        "17850": AccountRow(account_id="17850", debits=1, debited_pence=500, balance_pence=500)
    }
    order = shop.row(orders, "7")
    assert order is not None
    assert order.status is OrderStatus.CONFIRMED
    assert not shop.rows(checkout)


def test_a_cart_whose_number_is_taken_leaves_a_checkout_that_says_so(shop: InMemory) -> None:
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
    shop.send_all([PLACE, add, check_out])
    left = shop.row(checkout, "7")
    assert left is not None
    assert left.step is CheckoutStep.STOPPED
    assert "already_placed" in (left.problem or "")
    assert [each.outcome for each in shop.outcomes(DebitBalance)] == [Accepted()]


def test_a_confirmed_order_cannot_be_cancelled(shop: InMemory) -> None:
    shop.send(PLACE)
    outcome = shop.ask(CancelOrder(order_id="7", reason="changed my mind"))
    assert isinstance(outcome, Rejected)
    assert outcome.code == "already_confirmed"
