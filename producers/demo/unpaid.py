"""The one order of the demo that is paid for too late: kept for two seconds, and cancelled by the checkout."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from producers.counting import Expected
from schemas.orders import PlaceOrder
from verbwire import Principal
from verbwire.client import Client, Connection

ORDER = PlaceOrder(
    order_id="unpaid-1",
    customer_id="12345",
    country="United Kingdom",
    total_pence=4_200,
    placed_at=datetime(2010, 12, 23, 18, 0, tzinfo=UTC),
    pay_within_seconds=2,
)
PRINCIPAL = Principal(actor="demo", scopes=("orders:write",))
_SECONDS = 30.0


def place_unpaid(connection: Connection, expected: Expected) -> None:
    """Place it, under the same id in each run, and count what has to come of it."""
    with Client(replace(connection, principal=PRINCIPAL)) as client:
        client.ask(ORDER, id=f"demo:{ORDER.order_id}").result(_SECONDS)
    for command in ("PlaceOrder", "CancelOrder"):
        expected.outcomes[command]["accepted"] += 1
