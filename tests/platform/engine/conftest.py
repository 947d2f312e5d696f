"""What several tests of the engine have."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.kit.bank import Bank
from verbwire.requests.sender import RequestSender


@pytest.fixture(scope="module")
def sender(bank: Bank) -> Iterator[RequestSender]:
    """Sends operators' requests to the bank's groups."""
    with closing(RequestSender(bank.connection, bank.registry)) as opened:
        yield opened
