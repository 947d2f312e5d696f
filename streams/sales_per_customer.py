"""The table of sales per customer: orders stand under their numbers, here they are counted under who ordered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from schemas.orders import OrderConfirmed
from schemas.sales import CustomerSalesRow, GetCustomerSales
from streams.sight import own_unless
from verbwire import Principal, Table

sales_per_customer = Table("shop.sales_per_customer", row=CustomerSalesRow, answers=[GetCustomerSales])


@sales_per_customer.visible
def own(principal: Principal) -> Mapping[str, Any]:
    """A customer sees what they bought themselves, staff everybody's."""
    return own_unless("sales:read", principal, "customer_id")


@sales_per_customer.rekeys
def customer(event: OrderConfirmed) -> str | None:
    """Whose sale it is; a guest's is nobody's."""
    return event.customer_id


@sales_per_customer.on
def sold(row: CustomerSalesRow | None, event: OrderConfirmed) -> CustomerSalesRow:
    """One sale more."""
    row = row or CustomerSalesRow(customer_id=event.customer_id or "")
    return replace(
        row,
        orders=row.orders + 1,
        total_pence=row.total_pence + event.total_pence,
        last_order_at=max(row.last_order_at, event.placed_at),
    )
