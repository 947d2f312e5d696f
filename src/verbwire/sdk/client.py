"""The producing side of the SDK: publish events, send commands."""

from __future__ import annotations

import itertools
import re
import secrets
import warnings
from types import TracebackType
from typing import Self

from verbwire.errors import UnencodableError
from verbwire.messages import Command, Event, Kind
from verbwire.sdk.ack import Ack
from verbwire.sdk.connection import Connection
from verbwire.sdk.producer import Producer
from verbwire.sdk.routes import Route, Routes
from verbwire.wire.keys import key_of

_ID = re.compile(r"[!-~]{1,200}")


class Client:
    """Publishes events and sends commands; may be used by several threads.

    Every call checks, encodes and queues, and returns an :class:`~verbwire.sdk.ack.Ack`; what is wrong with the message
    itself is raised there. A full queue blocks the call until there is room, at most `delivery_seconds`
    (then :class:`DeliveryError`). Deliveries that failed are never silent: they are raised where the Ack is waited
    for, or else by :meth:`flush` and :meth:`close`.

    ::

        with Client() as client:
            client.send(AddProductToCart(cart_id="536365", ...))

    Without a `connection` it is the project's, found from the working folder upwards.
    """

    def __init__(self, connection: Connection | None = None) -> None:
        connection = connection or Connection.of_project()
        self._producer = Producer(connection)
        self._routes = Routes(connection, self._producer)
        self._prefix = secrets.token_hex(12)
        self._numbers = itertools.count(1)

    def publish(
        self, event: Event, *, id: str | None = None, correlation_id: str | None = None, causation_id: str | None = None
    ) -> Ack:
        """Say what happened; anyone may hear it.

        `id` makes the message recognisable when it is published again: 1 to 200 printable ASCII characters without
        spaces; by default a new one. `correlation_id` and `causation_id` continue the flow of another message.
        """
        return self._produce(self._routes.of(Kind.EVENT, event), event, id, correlation_id, causation_id)

    def send(
        self,
        command: Command,
        *,
        id: str | None = None,
        correlation_id: str | None = None,
        causation_id: str | None = None,
    ) -> Ack:
        """Ask the one receiver to do something, without waiting for the outcome.

        The same `id` with the same payload is the same command: it has one outcome, however often it is sent.
        Parameters as in :meth:`publish`.
        """
        return self._produce(self._routes.of(Kind.COMMAND, command), command, id, correlation_id, causation_id)

    def flush(self, timeout: float | None = None) -> None:
        """Wait until everything sent so far is acknowledged, at most `timeout` seconds (by default `delivery_seconds`).

        :class:`DeliveryError` when something is left, or when a delivery failed and nobody has looked at its Ack.
        """
        self._producer.flush(timeout)

    def close(self, timeout: float | None = None) -> None:
        """Flush and let go of the broker; raises like :meth:`flush`. Closing twice is fine."""
        self._routes.close()
        self._producer.close(timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        producer = getattr(self, "_producer", None)  # absent when the constructor raised
        if producer is not None and not producer.closed:
            warnings.warn("a Client was not closed: use `with Client(...)`, or close it", ResourceWarning, stacklevel=1)
            producer.abandon()

    def _produce(
        self,
        route: Route,
        message: Event | Command,
        id: str | None,
        correlation_id: str | None,
        causation_id: str | None,
    ) -> Ack:
        if id is None:
            id = f"{self._prefix}-{next(self._numbers)}"
        elif not _ID.fullmatch(id):
            raise UnencodableError(f"id {id[:80]!r}: use 1 to 200 printable ASCII characters without spaces")
        key = key_of(route.contract, message)
        headers = route.template.headers(id, correlation_id=correlation_id, causation_id=causation_id)
        return self._producer.produce(route.topic, key, route.encoder(message), headers, id)
