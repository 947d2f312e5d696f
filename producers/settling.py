"""Waiting until every sale of a file is settled: its cart decided, its order confirmed or cancelled.

Nothing is remembered from the sending, so that it works in a run that goes on where another was broken off, and memory
does not grow with the file. Each check-out is asked under the id it was sent with: it is the same command, and gets the
outcome that it had. What it set going, through however many receivers, carries that id as the start of its flow; so the
events of orders are counted by it, from the first on.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from producers.sales_lines import SalesLine, ToSend
from schemas.carts import CheckOutCart
from schemas.orders import OrderCancelled, OrderConfirmed, OrderPlaced
from verbwire import Accepted
from verbwire.client import Client, CommandHandle, Connection
from verbwire.records import Headers

WINDOW = 500  # check-outs that may wait for their outcome
SETTLED = {OrderConfirmed.__contract__, OrderCancelled.__contract__}
_BATCH = 5000
_POLL_SECONDS = 0.1
_METADATA_SECONDS = 10.0


def bought(client: Client, sales: Iterable[SalesLine], waiting: Callable[[int], None] = lambda _: None) -> int:
    """Return how many check-outs were accepted; `waiting` is called with that number until all are decided.

    Waits for as long as it takes: a receiver that is down decides later.
    """
    accepted = 0
    asked: deque[CommandHandle] = deque()

    def answered(most: int) -> None:
        nonlocal accepted
        while len(asked) > most:
            while not asked[0].done():
                waiting(accepted)
                time.sleep(_POLL_SECONDS)
            accepted += isinstance(asked.popleft().result(), Accepted)

    for line in sales:
        if isinstance(line, ToSend) and isinstance(line.command, CheckOutCart):
            asked.append(client.ask(line.command, id=line.id))
            answered(WINDOW)
    answered(0)
    return accepted


class Orders:
    """Counts the orders that flows of one file led to; a context manager. `prefix` begins the ids that started them."""

    def __init__(self, connection: Connection, prefix: str) -> None:
        self.settled = 0  # confirmed or cancelled
        self._topic = connection.names.events(OrderPlaced.__contract__.rpartition(".")[0])
        self._prefix = prefix
        self._consumer = Consumer(_properties(connection))

    def __enter__(self) -> Self:
        found = self._consumer.list_topics(self._topic, timeout=_METADATA_SECONDS).topics[self._topic]
        self._consumer.assign([TopicPartition(self._topic, each, OFFSET_BEGINNING) for each in found.partitions])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._consumer.close()

    def look(self) -> None:
        """Count what has come meanwhile; waits a moment where nothing has."""
        for record in self._consumer.consume(_BATCH, _POLL_SECONDS):
            if record.error() is not None:
                raise KafkaException(record.error())
            headers = Headers(record.headers())
            started = headers.correlation_id or ""
            self.settled += headers.type in SETTLED and started.startswith(self._prefix)


def _properties(connection: Connection) -> dict[str, Any]:
    return {
        **connection.kafka,
        "bootstrap.servers": connection.bootstrap,
        "group.id": connection.names.group(f"{connection.names.project}.importing"),  # one has to be; nothing is kept
        "enable.auto.commit": False,
        "isolation.level": "read_committed",  # an order is confirmed once, and seen once
        "log_level": 3,
    }
