"""The fraud watch: handles the same events as the receipts, in a group of its own, and says which look wrong.

It keeps nothing, so it judges each order by itself. After a crash it may say the same twice: whoever hears of a
suspicion knows it by its order.
"""

from __future__ import annotations

from schemas.fraud import SuspicionRaised
from schemas.orders import OrderConfirmed
from verbwire import Subscriber, SubscriberContext

fraud = Subscriber("shop.fraud", publishes=[SuspicionRaised])

MUCH = 500_000  # pence, of anybody
MUCH_FOR_A_GUEST = 100_000  # pence, of somebody without an account


@fraud.on
def watch(event: OrderConfirmed, context: SubscriberContext) -> None:
    """Publish a suspicion where there is one."""
    reason = suspicion(event)
    if reason is not None:
        context.publish(
            SuspicionRaised(
                order_id=event.order_id,
                customer_id=event.customer_id,
                total_pence=event.total_pence,
                placed_at=event.placed_at,
                reason=reason,
            )
        )


def suspicion(event: OrderConfirmed) -> str | None:
    """Return what is wrong with an order, None where nothing is."""
    if event.total_pence > MUCH:
        return f"{event.total_pence} pence are more than {MUCH}"
    if event.customer_id is None and event.total_pence > MUCH_FOR_A_GUEST:
        return f"{event.total_pence} pence are more than {MUCH_FOR_A_GUEST}, and nobody knows the guest"
    return None
