"""Asking: a command is sent, and its outcome waited for."""

from __future__ import annotations

import threading
import time
from functools import partial

from verbwire.errors import (
    ClosedError,
    UnavailableError,
    UnencodableError,
    VerbwireError,
    WrongVerbError,
)
from verbwire.messages import Command, Kind, Outcome
from verbwire.sdk.ack import Ack
from verbwire.sdk.book import Book
from verbwire.sdk.connection import Connection, Identity
from verbwire.sdk.ids import Ids
from verbwire.sdk.pending import Pending
from verbwire.sdk.positions import SeenPositions
from verbwire.sdk.producer import Producer
from verbwire.sdk.question import Question, outcome_for
from verbwire.sdk.replies import ReplyListener
from verbwire.sdk.routes import Routes
from verbwire.wire.codec import TopicDecoder
from verbwire.wire.keys import key_of
from verbwire.wire.outcome_tokens import OutcomeToken
from verbwire.wire.outcomes import OUTCOME, OutcomeRecord, fingerprint_of

HINT_SECONDS = 2.0  # after so long without a hint the ledger is read


class Asker:
    """Asks commands for one client; may be used by several threads. Starts to listen at the first one."""

    def __init__(self, connection: Connection, producer: Producer, routes: Routes) -> None:
        self.positions = SeenPositions()
        self._connection = connection
        self._producer = producer
        self._routes = routes
        self._ids = Ids()
        self._book = Book(connection.asks_in_flight)
        self._lock = threading.Lock()
        self._listener: ReplyListener | None = None
        self._lines: TopicDecoder | None = None
        self._closed = False

    def ask(
        self,
        command: Command,
        *,
        id: str | None = None,
        ttl: float | None = None,
        identity: Identity | None = None,
        correlation_id: str | None = None,
        causation_id: str | None = None,
        traceparent: str | None = None,
    ) -> Pending:
        """Send a command and return its outcome-to-be; blocks until there is room in queue and book.

        `identity` is who asks, in the place of the connection's own. The rest as in `Client.ask`.
        """
        route = self._routes.of(Kind.COMMAND, command)
        if route.contract.response == "none":
            raise WrongVerbError(f"{route.contract.short} is answered by nobody (its response is none): send it")
        id = self._ids.of(id)
        key, value = key_of(route.contract, command), route.encoder(command)
        headers = route.headers(
            id,
            identity,
            ttl=milliseconds(ttl),
            reply_partition=self.start(),
            correlation_id=correlation_id,
            causation_id=causation_id,
            traceparent=traceparent,
        )
        question = Question(
            self._book.lock,
            id=id,
            command=route.contract.name,
            topic=route.topic,
            fingerprint=fingerprint_of(value),
        )
        self._book.enter(question, self._connection.delivery_seconds)
        try:
            ack = self._producer.produce(route.topic, key, value, headers, id)
        except BaseException:
            self._book.leave(question)
            raise
        question.ack = ack
        ack.when_done(partial(self._acknowledged, question, ack))
        return Pending(self._book, question)

    def resume(self, token: str) -> Pending:
        """Return the outcome-to-be of a command asked before, perhaps by another process.

        :class:`UndecodableError` when it is no token, :class:`ContractError` when its command is none of this project.
        """
        self._require_open()
        place = OutcomeToken.decode(token)
        contract = self._connection.catalog.find(place.command)
        question = Question(
            self._book.lock,
            id=place.id,
            command=contract.name,
            topic=self._connection.names.commands(contract.namespace),
            fingerprint=place.fingerprint,
        )
        question.placed(place, time.monotonic())
        self._book.enter(question, self._connection.delivery_seconds)
        return Pending(self._book, question)

    def start(self) -> int:
        """Be ready to hear replies, and return the partition they are to come to; done by the first `ask`.

        :class:`UnavailableError` when broker or registry are silent, :class:`ContractError` when there is no topic.
        """
        listener = self._listener
        if listener is None:
            with self._lock:
                self._require_open()
                listener = self._listener
                if listener is None:
                    self._lines = self._routes.codec.topic_decoder(
                        self._connection.names.replies(), OUTCOME.namespace, {OUTCOME.name: OutcomeRecord}
                    )
                    listener = ReplyListener(self._connection, self._take)
                    listener.start()
                    self._listener = listener
        return listener.partition

    def close(self) -> None:
        """Stop listening; what is still waited for fails with :class:`ClosedError`. Closing twice is fine."""
        with self._lock:
            self._closed = True
            if self._listener is not None:
                self._listener.stop()
                self._listener.join()
        for question in self._book.all():
            self._book.settle(
                question,
                ClosedError(f"the client was closed before the outcome of {question.id} came: resume its token"),
            )

    def abandon(self) -> None:
        """Stop the threads of an owner that is gone without closing."""
        self._closed = True
        if self._listener is not None:
            self._listener.stop()

    def _require_open(self) -> None:
        self._producer.require_open()
        if self._closed:
            raise ClosedError("the client is closed: make a new one")

    def _acknowledged(self, question: Question, ack: Ack) -> None:
        if ack.error is not None:
            self._book.settle(question, ack.error)
            return
        place = ack.result(0)
        token = OutcomeToken(
            command=question.command,
            partition=place.partition,
            offset=place.offset,
            timestamp=ack.timestamp,
            id=question.id,
            fingerprint=question.fingerprint,
        )
        for line in question.placed(token, time.monotonic() + HINT_SECONDS):
            self._weigh(question, line)

    def _take(self, id: bytes, value: bytes) -> None:
        questions = self._book.of(id)
        if not questions or self._lines is None:
            return
        line = self._lines.decode(value)
        if isinstance(line, OutcomeRecord):
            for question in questions:
                self._weigh(question, line)

    def _weigh(self, question: Question, line: OutcomeRecord) -> None:
        token = question.token
        if token is None:
            if question.keep(line):
                return
            token = question.token
        assert token is not None  # noqa: S101 (kept otherwise)
        try:
            outcome = outcome_for(token, line, _typed)
        except UnavailableError:  # the registry is silent: the ledger still has the line when it answers again
            return
        except VerbwireError as error:  # the reply cannot be read; it would not be another time either
            self._book.settle(question, error)
            return
        if outcome is not None:
            self.positions.remember(line.events)
            self._book.settle(question, outcome, line.events)


def _typed(line: OutcomeRecord) -> Outcome:
    return line.outcome()


def milliseconds(ttl: float | None) -> int | None:
    """Return a time to live for the header; :class:`UnencodableError` when it is not positive."""
    if ttl is None:
        return None
    if not 0 < ttl <= 10**9:
        raise UnencodableError(f"ttl {ttl}: use seconds, more than 0")
    return max(1, round(ttl * 1000))
