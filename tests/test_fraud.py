"""The fraud watch and its table, as pure functions: no broker."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from consumers.fraud import fraud
from schemas.fraud import SuspicionRaised, SuspicionRow
from schemas.orders import OrderConfirmed
from streams.suspicions import suspicions
from tests.shop import catalog
from verbwire.testing import effects_of, fold

CATALOG = catalog()
MORNING = datetime(2010, 12, 1, 8, 26, tzinfo=UTC)
SOLD = OrderConfirmed(order_id="7", customer_id="17850", country="EIRE", total_pence=500_000, placed_at=MORNING)
GUESTS = replace(SOLD, customer_id=None, total_pence=100_000)


@pytest.mark.parametrize("event", [SOLD, GUESTS])
def test_up_to_its_limit_an_order_is_fine_and_a_penny_more_is_not(event: OrderConfirmed) -> None:
    assert effects_of(fraud, event, catalog=CATALOG) == []
    more = replace(event, total_pence=event.total_pence + 1)
    (raised,) = effects_of(fraud, more, catalog=CATALOG)
    assert isinstance(raised, SuspicionRaised)
    assert (raised.order_id, raised.customer_id, raised.total_pence) == ("7", event.customer_id, more.total_pence)


def test_a_customer_may_buy_more_than_a_guest() -> None:
    assert effects_of(fraud, replace(GUESTS, customer_id="17850", total_pence=100_001)) == []


def test_the_same_suspicion_twice_is_one_row() -> None:
    raised = SuspicionRaised(
        order_id="7", customer_id=None, total_pence=100_001, placed_at=MORNING, reason="nobody knows the guest"
    )
    row = SuspicionRow(order_id="7", customer_id=None, total_pence=100_001, reason="nobody knows the guest")
    assert fold(suspicions, raised, raised, catalog=CATALOG) == row
