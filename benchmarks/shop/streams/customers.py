"""Orders counted under who ordered: a table under another key than its events'."""

from __future__ import annotations

from msgspec.structs import replace

from benchmarks.shop.schemas.orders import CustomerTotal, OrderPlaced
from verbwire import Table

customers = Table("bench.customers", row=CustomerTotal)


@customers.rekeys
def customer(event: OrderPlaced) -> str:
    """Whose order it is."""
    return event.customer_id


@customers.on
def placed(row: CustomerTotal | None, event: OrderPlaced) -> CustomerTotal:
    """One order more."""
    row = row or CustomerTotal(customer_id=event.customer_id)
    return replace(row, orders=row.orders + 1, total_pence=row.total_pence + event.total_pence)
