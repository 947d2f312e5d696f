"""The domain of orders, as pure functions: no broker, no worker."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from consumers.orders import orders
from schemas.orders import (
    CancelOrder,
    ConfirmOrder,
    FindOrders,
    GetOrder,
    OrderCancelled,
    OrderConfirmed,
    OrderPlaced,
    OrderReceipt,
    OrderRow,
    OrderState,
    OrderStatus,
    PlaceOrder,
)
from streams.orders import orders as table
from streams.orders import own
from tests.shop import catalog
from verbwire import Command, Principal
from verbwire.testing import fold, given

CATALOG = catalog()
MORNING = datetime(2010, 12, 1, 8, 26, tzinfo=UTC)

PLACE = PlaceOrder(
    order_id="536365",
    customer_id="17850",
    country="United Kingdom",
    total_pence=13912,
    placed_at=MORNING,
    note="by the back door",
)
PLACED = OrderPlaced(
    order_id="536365",
    customer_id="17850",
    country="United Kingdom",
    total_pence=13912,
    placed_at=MORNING,
    note="by the back door",
)
RECEIPT = OrderReceipt(order_id="536365", total_pence=13912, placed_at=MORNING)
CONFIRM = ConfirmOrder(order_id="536365")
CONFIRMED = OrderConfirmed(
    order_id="536365", customer_id="17850", country="United Kingdom", total_pence=13912, placed_at=MORNING
)
CANCEL = CancelOrder(order_id="536365", reason="out of stock")
CANCELLED = OrderCancelled(
    order_id="536365",
    customer_id="17850",
    country="United Kingdom",
    total_pence=13912,
    placed_at=MORNING,
    reason="out of stock",
)


def test_an_order_is_placed_with_all_that_was_said() -> None:
    given(orders, catalog=CATALOG).when(PLACE).then(PLACED).then_reply(RECEIPT).then_state(
        OrderState(
            order_id="536365",
            customer_id="17850",
            country="United Kingdom",
            total_pence=13912,
            placed_at=MORNING,
            status=OrderStatus.PLACED,
        )
    )


def test_a_number_is_given_once() -> None:
    given(orders, PLACED, catalog=CATALOG).when(replace(PLACE, total_pence=1)).then_rejected("already_placed")


def test_a_number_is_not_free_again_when_its_order_was_cancelled() -> None:
    given(orders, PLACED, CANCELLED, catalog=CATALOG).when(PLACE).then_rejected("already_placed")


@pytest.mark.parametrize("pence", [0, -1])
def test_an_order_costs_something(pence: int) -> None:
    given(orders, catalog=CATALOG).when(replace(PLACE, total_pence=pence)).then_rejected("empty_order")


def test_a_guest_orders_without_a_customer() -> None:
    given(orders, catalog=CATALOG).when(replace(PLACE, customer_id=None)).then(replace(PLACED, customer_id=None))


def test_a_confirmation_tells_all_that_a_sale_has_to_tell() -> None:
    given(orders, PLACED, catalog=CATALOG).when(CONFIRM).then(CONFIRMED)


def test_a_cancellation_tells_what_was_called_off_and_why() -> None:
    given(orders, PLACED, catalog=CATALOG).when(CANCEL).then(CANCELLED)


@pytest.mark.parametrize("command", [CONFIRM, CANCEL])
@pytest.mark.parametrize(
    ("before", "code"),
    [([], "not_placed"), ([PLACED, CONFIRMED], "already_confirmed"), ([PLACED, CANCELLED], "already_cancelled")],
)
def test_only_an_open_order_is_confirmed_or_cancelled(
    command: Command, before: list[OrderPlaced | OrderConfirmed | OrderCancelled], code: str
) -> None:
    given(orders, *before, catalog=CATALOG).when(command).then_rejected(code)


def test_the_table_shows_an_order_that_was_placed() -> None:
    assert fold(table, PLACED, catalog=CATALOG) == OrderRow(
        order_id="536365",
        status=OrderStatus.PLACED,
        customer_id="17850",
        country="United Kingdom",
        total_pence=13912,
        placed_at=MORNING,
        note="by the back door",
    )


def test_the_table_shows_what_became_of_an_order() -> None:
    confirmed, cancelled = fold(table, PLACED, CONFIRMED), fold(table, PLACED, CANCELLED, catalog=CATALOG)
    assert confirmed is not None
    assert cancelled is not None
    assert (confirmed.status, confirmed.cancelled_because) == (OrderStatus.CONFIRMED, None)
    assert (cancelled.status, cancelled.cancelled_because) == (OrderStatus.CANCELLED, "out of stock")


def test_an_order_in_a_status_of_a_newer_version_is_decided_by_that_version() -> None:
    """An older one takes for UNKNOWN what it does not know, and must not call it cancelled."""
    state = OrderState(order_id="536365", status=OrderStatus.UNKNOWN)
    with pytest.raises(RuntimeError, match="only a newer version of this receiver can tell"):
        given(orders, state=state).when(CONFIRM)


def test_a_customer_sees_their_own_orders_and_staff_all() -> None:
    assert own(Principal("17850", frozenset({"orders:write"}))) == {"customer_id": "17850"}
    assert own(Principal("desk", frozenset({"orders:all"}))) == {}
    assert table.row_filter is own
    assert set(table.answers) == {GetOrder, FindOrders}
