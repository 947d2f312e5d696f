"""What confirmed orders add up to, per customer and per minute: pure functions, no broker."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from schemas.orders import OrderConfirmed
from schemas.sales import CustomerSalesRow, SalesMinuteRow
from streams.sales_per_customer import sales_per_customer
from streams.sales_per_minute import sales_per_minute
from tests.shop import catalog
from verbwire.testing import fold

CATALOG = catalog()
MORNING = datetime(2010, 12, 1, 8, 26, tzinfo=UTC)
SOLD = OrderConfirmed(
    order_id="536365", customer_id="17850", country="United Kingdom", total_pence=13912, placed_at=MORNING
)
GUESTS = replace(SOLD, order_id="536544", customer_id=None)


def test_a_customers_sales_are_counted_under_the_customer() -> None:
    earlier = replace(SOLD, order_id="536364", total_pence=88, placed_at=MORNING - timedelta(days=1))
    assert fold(sales_per_customer, SOLD, earlier, catalog=CATALOG) == CustomerSalesRow(
        customer_id="17850", orders=2, total_pence=14000, last_order_at=MORNING
    )
    assert sales_per_customer.keys[OrderConfirmed].function(SOLD) == "17850"


def test_a_guests_sale_is_no_customers() -> None:
    assert sales_per_customer.keys[OrderConfirmed].function(GUESTS) is None


def test_sales_are_counted_in_the_minute_of_the_order_and_under_its_country() -> None:
    at_the_end = replace(GUESTS, placed_at=MORNING + timedelta(seconds=59, milliseconds=999))
    assert fold(sales_per_minute, SOLD, at_the_end, catalog=CATALOG) == SalesMinuteRow(
        country="United Kingdom", minute=MORNING, orders=2, total_pence=27824
    )
    assert sales_per_minute.keys[OrderConfirmed].function(GUESTS) == "United Kingdom"


def test_books_of_2010_may_be_brought_in_beside_the_sales_of_today() -> None:
    assert sales_per_minute.window is not None
    assert MORNING + sales_per_minute.window.lateness > datetime(2030, 1, 1, tzinfo=UTC)
