"""The client: publishes events, sends and asks commands, asks queries."""

from __future__ import annotations

import warnings
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Never, Self, TypeVar

from verbwire.answering import require_no_query
from verbwire.client.asking.asker import Asker
from verbwire.client.asking.at_once import require_at_once
from verbwire.client.asking.handle import CommandHandle
from verbwire.client.base.connection import Connection
from verbwire.client.base.positions import SeenPositions
from verbwire.client.producing.ack import Ack
from verbwire.client.producing.sender import Sender
from verbwire.client.querying.querier import Querier
from verbwire.client.querying.result import QueryResult
from verbwire.messages import Command, Event, Kind, Page, Query
from verbwire.wire.freshness import COMPLETE, STALE
from verbwire.wire.headers import envelope_of
from verbwire.wire.keys import key_bytes
from verbwire.wire.scheduling import time_header

R = TypeVar("R")
_EVENT, _COMMAND = Kind.EVENT, Kind.COMMAND  # to look up a member costs as much as a header (Python 3.11)


class Client:
    """Publishes events, sends and asks commands, asks queries; may be used by several threads.

    Every call checks, encodes and queues, and returns an :class:`~verbwire.client.producing.ack.Ack`; what is wrong
    with the message itself is raised there. A full queue blocks the call until there is room, at most
    `delivery_seconds` (then :class:`DeliveryError`). Deliveries that failed are never silent: they are raised where the
    Ack is waited for, or else by :meth:`flush` and :meth:`close`. A query changes nothing: within a responder a client
    sends, publishes and asks nothing (:class:`WrongVerbError`), queries are allowed.

    ::

        with Client() as client:
            client.send(AddProductToCart(cart_id="536365", ...))
            outcome = client.ask(PlaceOrder(order_id="536365", ...)).result(timeout=5)
            order = client.query(GetOrder(order_id="536365")).result()

    Without a `connection` it is the project's, found from the working folder upwards.
    """

    def __init__(self, connection: Connection | None = None) -> None:
        connection = connection or Connection.of_project()
        self._sender = Sender.of(connection)
        self._producer, self._routes = self._sender.producer, self._sender.routes
        self._asker = Asker(connection, self._sender)
        routes = self._routes
        # The function must not know the client: in a circle it would not be missed when it is forgotten.
        self._querier = Querier(connection, lambda: routes.codec, self._asker.positions)

    def publish(
        self, event: Event, *, id: str | None = None, correlation_id: str | None = None, causation_id: str | None = None
    ) -> Ack:
        """Publish what happened; any group may subscribe to it.

        `id` makes the message recognisable when it is published again: 1 to 200 printable ASCII characters without
        spaces; by default a new one. `correlation_id` and `causation_id` continue the flow of another message.
        """
        require_no_query("publish")
        return self._sender.send(_EVENT, event, envelope_of(id, None, correlation_id, causation_id))

    def send(
        self,
        command: Command,
        *,
        id: str | None = None,
        ttl: float | None = None,
        at: datetime | None = None,
        after: timedelta | None = None,
        correlation_id: str | None = None,
        causation_id: str | None = None,
    ) -> Ack:
        """Send a command to its one receiver, without waiting for the outcome.

        The same `id` with the same payload is the same command: it has one outcome, however often it is sent. After
        `ttl` seconds, by the broker's clock, it expires. The rest as in :meth:`publish`.

        It is delivered later where `at` says when, or `after` how long from now, by the broker's clock: once, those of
        one key in order of their time, then of their sending. `ttl` counts from that time then, and :meth:`cancel` may
        take the command back until it has come. :class:`ContractError` where its contract does not say that it is
        schedulable, or for a time without a zone; up to 400 days. A time that is over is now.
        """
        require_no_query("send")
        later = None if at is None and after is None else time_header(at, after)
        return self._sender.send(_COMMAND, command, envelope_of(id, ttl, correlation_id, causation_id, later))

    def cancel(self, command: type[Command], key: object, id: str) -> CommandHandle[Any]:
        """Cancel a command that was sent for later, and return the outcome-to-be of that.

        `command` is its class, `key` the value of its key, `id` its own (that of its Ack). Accepted: it is cancelled,
        and never delivered. ``Rejected("too_late")``: it has been delivered. ``Rejected("unknown")``: no command of
        this id is scheduled under this key, nor was one in the last 7 days. ``Rejected("forbidden")``: another actor
        has sent it, or this one may not send it any more. Exactly one of cancelled and delivered is true, whoever is
        killed meanwhile; to cancel twice says the same twice.
        """
        require_no_query("cancel")
        return self._asker.cancel(command, key_bytes(key), id)

    def ask(
        self,
        command: Command[R],
        *,
        id: str | None = None,
        ttl: float | None = None,
        correlation_id: str | None = None,
        causation_id: str | None = None,
        **more: Never,
    ) -> CommandHandle[R]:
        """Send a command to its one receiver, and return the outcome-to-be. Parameters as in :meth:`send`.

        The command is as durable as a sent one: a receiver that is down answers later. The same `id` with the same
        payload gets the same outcome again; with another payload it is ``Rejected("id_reused")``.
        :class:`WrongVerbError` for a command whose contract says that it has no outcome. When `asks_in_flight` outcomes
        are outstanding the call blocks, at most `delivery_seconds` (then :class:`DeliveryError`). A command for later
        is sent; asked `at` a time or `after` a while, it is :class:`WrongVerbError`, which says what to do instead.
        """
        require_no_query("ask")
        require_at_once(more)
        return self._asker.ask(command, envelope_of(id, ttl, correlation_id, causation_id))

    def resume(self, token: str) -> CommandHandle[Any]:
        """Return the outcome-to-be of a command asked before, perhaps by a process that is gone.

        `token` is that of its handle, or of the :class:`OutcomeUnknownError`. The outcome is found for as long as
        the receiver's outcome log keeps it: 7 days, unless the topic says otherwise.
        """
        return self._asker.resume(token)

    def query(
        self,
        query: Query[R],
        timeout: float = 10.0,
        *,
        after: Page[Any] | None = None,
        complete: bool = False,
        stale: bool = False,
    ) -> QueryResult[R]:
        """Query the current state, and return the answer-to-be: the reply, or a :class:`Page` of replies.

        It shows at least what our asked commands are known to have changed. While no worker answers, it is asked again
        for `timeout` seconds (then :class:`UnavailableError`). `after` asks for the page behind that one, and says all
        of the question. A table that was started not long ago may have yet to catch up: `QueryResult.complete` says so,
        and with `complete` it is asked again until it has. "Not found" is only said by one that has.
        Of a row whose later records are parked, until an operator decides, :class:`ParkedError` is raised, unless it
        may be `stale`: then it is the one before them. Of a list `Page.parked` says how many such keys there are.
        :class:`NotFoundError`, :class:`NotAllowedError` and :class:`BadQueryError` are raised where the answer is
        waited for; what is wrong with the query itself, here.
        """
        self._producer.require_open()
        if complete and stale:
            raise ValueError("an answer is complete, or may be stale: ask for one of them")
        fresh = COMPLETE if complete else STALE if stale else ""
        return self._querier.query(query, timeout, after, fresh)

    @property
    def positions(self) -> SeenPositions:
        """How far a table must be to show what our asked commands have changed."""
        return self._asker.positions

    def flush(self, timeout: float | None = None) -> None:
        """Wait until everything sent so far is acknowledged, at most `timeout` seconds (by default `delivery_seconds`).

        :class:`DeliveryError` when something is left, or when a delivery failed and nobody has looked at its Ack.
        """
        self._producer.flush(timeout)

    def close(self, timeout: float | None = None) -> None:
        """Flush and let go of the broker; raises like :meth:`flush`. Closing twice is fine."""
        try:
            self._producer.close(timeout)
        finally:
            self._querier.close()
            self._asker.close()
            self._routes.close()

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
            self._asker.abandon()
            self._querier.abandon()
