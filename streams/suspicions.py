"""The table of suspicions: which orders somebody should look at, and why. Saying it twice changes nothing."""

from __future__ import annotations

from schemas.fraud import SuspicionRaised, SuspicionRow
from verbwire import Table

suspicions = Table("shop.suspicions", row=SuspicionRow)


@suspicions.on
def raised(row: SuspicionRow | None, event: SuspicionRaised) -> SuspicionRow:
    """Look at this one."""
    return SuspicionRow(
        order_id=event.order_id, customer_id=event.customer_id, total_pence=event.total_pence, reason=event.reason
    )
