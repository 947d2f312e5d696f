"""No small command stops the work of others: what would is refused where it comes in, and by its receiver."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from consumers.accounts import accounts
from consumers.carts import MOST_LINES, MOST_PENCE, carts
from consumers.checkout import checkout
from consumers.orders import orders
from producers.sales_lines import COLUMNS, ToSend, Unreadable, read_sales
from schemas.accounts import CreditBalance, DebitBalance
from schemas.carts import AddProductToCart, CartCheckedOut, CartLine, CartRow, CartState, CheckOutCart
from schemas.checkout import CheckoutState, CheckoutStep
from schemas.orders import CancelOrder, OrderCancelled, OrderConfirmed, OrderPlaced, PlaceOrder
from streams.orders import orders as orders_table
from streams.sales_per_customer import sales_per_customer
from tests.shop import catalog, project
from verbwire import Accepted, Aggregate, Command, Rejected
from verbwire.errors import UnencodableError
from verbwire.records import MAX_RECORD
from verbwire.testing import encoded, fold, given

CATALOG = catalog()
MORNING = datetime(2010, 12, 1, 8, 26, tzinfo=UTC)
WIDE = "\U0001f9fa"  # four bytes for one character
PLACE = PlaceOrder(order_id="7", customer_id="17850", country="EIRE", total_pence=500, placed_at=MORNING)
ADD = AddProductToCart(
    cart_id="7", stock_code="85123A", description="LANTERN", quantity=6, unit_price_pence=255, country="EIRE"
)
CHECK_OUT = CheckOutCart(cart_id="7", country="EIRE", checked_out_at=MORNING)
RECEIVERS: dict[str, Aggregate[Any]] = {each.namespace: each for each in (accounts, carts, orders)}

# What stopped others: the checkout process, the windows of sales, the carts' table, sales per customer, the accounts.
STOPPED: dict[str, tuple[Command, str, str]] = {
    "a long order_id": (replace(PLACE, order_id="7" * 150), "order_id", "maxLength"),
    "a long cart_id": (replace(ADD, cart_id="7" * 150), "cart_id", "maxLength"),
    "a country of nothing": (replace(PLACE, country=""), "country", "minLength"),
    "a country of blanks": (replace(CHECK_OUT, country="  "), "country", "pattern"),
    "2^62 pence": (replace(PLACE, total_pence=2**62), "total_pence", "maximum"),
    "2^62 pence of one thing": (replace(ADD, unit_price_pence=2**62), "unit_price_pence", "maximum"),
    "2^62 pence on an account": (DebitBalance(account_id="1", pence=2**62, order_id="7"), "pence", "maximum"),
    "2^62 pence back": (CreditBalance(account_id="1", pence=2**62, reference=""), "pence", "maximum"),
    "a line of 90 kB": (replace(ADD, description="x" * 90_000), "description", "maxLength"),
    "a long stock code": (replace(ADD, stock_code="x" * 90_000), "stock_code", "maxLength"),
    "a customer without a name": (replace(PLACE, customer_id=""), "customer_id", "minLength"),
    "a customer with a long name": (replace(PLACE, customer_id="1" * 1_000), "customer_id", "maxLength"),
    "a note of 900 kB": (replace(PLACE, note="x" * 900_000), "note", "maxLength"),
    "a reason of 900 kB": (CancelOrder(order_id="7", reason="x" * 900_000), "reason", "maxLength"),
}


@pytest.mark.parametrize("story", STOPPED)
def test_a_command_that_stopped_others_is_sent_by_nobody(story: str) -> None:
    command, field, bound = STOPPED[story]
    with pytest.raises(UnencodableError, match=f"{field} .*{'pattern' if bound == 'pattern' else bound}"):
        encoded(command, CATALOG)


@pytest.mark.parametrize("story", STOPPED)
def test_a_command_that_stopped_others_is_rejected_by_its_receiver(story: str) -> None:
    command, field, bound = STOPPED[story]
    receiver = RECEIVERS[command.__contract__.rpartition(".")[0]]
    given(receiver, catalog=CATALOG).when(command).then_rejected("out_of_bounds", field=field, bound=bound)


def test_what_is_as_large_as_it_may_be_goes_all_the_way() -> None:
    placed = OrderPlaced(
        order_id="7" * 40,
        customer_id=WIDE * 40,
        country=WIDE * 60,
        total_pence=MOST_PENCE,
        placed_at=MORNING,
        note=WIDE * 500,
    )
    command = PlaceOrder(**{name: getattr(placed, name) for name in PlaceOrder.__struct_fields__})
    given(orders, catalog=CATALOG).when(command).then(placed)
    debit = DebitBalance(account_id=WIDE * 40, pence=MOST_PENCE, order_id="7" * 40)
    led = given(checkout, catalog=CATALOG).when(placed).then(debit)
    given(accounts, catalog=CATALOG).when(debit).then_state(given(accounts).when(debit).after.state)
    refused = Rejected("amount_not_positive", WIDE * 10_000)  # a receiver's own words
    (cancel,) = led.when(refused, of=DebitBalance).commands
    assert isinstance(cancel, CancelOrder)
    cancelled = given(orders, placed, catalog=CATALOG).when(cancel).events[0]
    assert isinstance(cancelled, OrderCancelled)
    assert fold(orders_table, placed, cancelled, catalog=CATALOG) is not None
    confirmed = OrderConfirmed(**{name: getattr(placed, name) for name in OrderConfirmed.__struct_fields__})
    assert fold(sales_per_customer, *[confirmed] * 3, catalog=CATALOG) is not None


def test_a_cart_that_is_full_takes_no_more_lines_and_no_more_pence() -> None:
    many, dear = (
        CartState(cart_id="7", lines=MOST_LINES, total_pence=9),
        CartState(cart_id="7", lines=1, total_pence=MOST_PENCE - 1530),
    )
    given(carts, state=many, catalog=CATALOG).when(ADD).then_rejected("cart_full")
    given(carts, state=dear, catalog=CATALOG).when(replace(ADD, unit_price_pence=256)).then_rejected("cart_full")
    full = given(carts, state=dear, catalog=CATALOG).when(ADD).after
    assert full.state is not None
    assert full.state.total_pence == MOST_PENCE
    full = given(carts, state=replace(full.state, lines=MOST_LINES), catalog=CATALOG)
    (bought,) = full.when(CHECK_OUT).events
    assert isinstance(bought, CartCheckedOut)
    (place,) = given(checkout, catalog=CATALOG).when(bought).commands
    assert isinstance(place, PlaceOrder)


def test_the_row_of_the_largest_cart_fits_into_a_record() -> None:
    line = CartLine(stock_code=WIDE * 20, description=WIDE * 100, quantity=100_000, unit_price_pence=10_000_000)
    row = CartRow(cart_id="7" * 40, customer_id=WIDE * 40, country=WIDE * 60, products=(line,) * MOST_LINES)
    assert len(encoded(row, CATALOG)) < MAX_RECORD
    with pytest.raises(UnencodableError, match=f"products has {MOST_LINES + 1} items"):
        encoded(replace(row, products=(*row.products, line)), CATALOG)


def test_a_long_story_of_problems_is_cut_where_it_is_a_reason() -> None:
    debiting = CheckoutState(order_id="7", step=CheckoutStep.DEBITING, customer_id="1", total_pence=5)
    led = given(checkout, state=debiting, catalog=CATALOG).when(Rejected("x", "y" * 900), of=DebitBalance)
    assert isinstance(led.commands[0], CancelOrder)
    led.when(Accepted(), of=CancelOrder).then().then_state(None)


GOOD = dict(zip(COLUMNS, ["536365", "A", "B", "6", "01/12/2010 08:26", "2.55", "17850", "EIRE"], strict=True))
LARGEST = {
    "InvoiceNo": ("5" * 40, "5" * 41),
    "StockCode": ("x" * 20, "x" * 21),
    "Description": ("x" * 100, "x" * 101),
    "Quantity": ("99999", "100000"),
    "UnitPrice": ("99999.99", "100000"),
    "CustomerID": ("1" * 40, "1" * 41),
    "Country": ("x" * 60, "x" * 61),
}


@pytest.mark.parametrize("column", LARGEST)
def test_what_the_importer_reads_fits_its_contract_and_the_rest_is_unreadable(tmp_path: Path, column: str) -> None:
    largest, beyond = LARGEST[column]
    file = tmp_path / "sales.csv"
    lines = [",".join((GOOD | {column: each}).values()) for each in (largest, beyond)]
    credit = ",".join((GOOD | {"InvoiceNo": "C1", "Quantity": "-6", column: largest}).values())
    file.write_text("\n".join([",".join(COLUMNS), *lines, credit]), encoding="latin-1")
    found = list(read_sales(file))
    assert [each.line for each in found if isinstance(each, Unreadable)] == [3]
    sent = [each.command for each in found if isinstance(each, ToSend)]
    assert len(sent) == 3
    for command in sent:
        assert encoded(command, CATALOG)


def test_every_key_and_text_that_comes_from_outside_has_an_upper_bound() -> None:
    """Nobody forgets one when the shop gets a new command."""
    unbounded = [
        f"{contract.short}.{field['name']}"
        for contract in project().catalog
        if contract.kind in ("command", "event", "query")
        for field in contract.schema["fields"]
        if "string" in (field["type"] if isinstance(field["type"], list) else [field["type"]])
        and "maxLength" not in field
    ]
    assert unbounded == []
