"""Attempts one record: decode, admit, check the deadline, handle, and wait until what was sent is acknowledged."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import Any

from verbwire.declarations.context import Context
from verbwire.declarations.effect_context import JobContext, SubscriberContext
from verbwire.engine.processors.outcomes import OutcomeEntry
from verbwire.engine.processors.received_command import ReceivedRecord, unreadable_entry
from verbwire.errors import (
    ClosedError,
    ContractError,
    DeliveryError,
    Requeue,
    UnavailableError,
    UndecodableError,
)
from verbwire.handling.contexts import context_of
from verbwire.handling.dispatch import CommandHandling, MessageHandling
from verbwire.handling.handler_loop import HandlerLoop
from verbwire.messages import Failed, Message
from verbwire.observability.job_board import JobBoard, Running
from verbwire.observability.metrics.effects import EffectMetrics
from verbwire.observability.watch.handlers import HandlerWatch
from verbwire.observability.watch.tracebacks import summary
from verbwire.subscribers.job_outcomes import JobOutcomes, outcome_of, received
from verbwire.subscribers.key_queues import QueuedRecord
from verbwire.subscribers.outbox import Cause, EffectProducer, HandlerOutbox
from verbwire.subscribers.parked_before import ParkedBefore
from verbwire.subscribers.parked_requests import ParkedRequests
from verbwire.subscribers.parking import SubscriberParking
from verbwire.subscribers.partition_state import PartitionInFlight
from verbwire.subscribers.plan import SubscriberPlan
from verbwire.subscribers.results import Done, Raised, Result, Unavailable
from verbwire.tracing.kafka_spans import processing
from verbwire.tracing.seam import Tracer, active, spanning
from verbwire.wire.headers import Headers
from verbwire.wire.ids import derived_id
from verbwire.wire.records.dead_letters import legible, with_traceback

log = logging.getLogger(__name__)

_LOG_SECONDS = 30.0  # between two lines about the progress of one job


@dataclass(frozen=True)
class RecordAttempt:
    """Attempts the records of one group. Safe to call from any thread."""

    plan: SubscriberPlan
    producer: EffectProducer
    board: JobBoard
    metrics: EffectMetrics
    watch: HandlerWatch
    loop: HandlerLoop = field(default_factory=HandlerLoop)  # of what its handlers await
    outcomes: JobOutcomes | None = None  # of a job
    parking: SubscriberParking | None = None
    parked_before: ParkedBefore | None = None  # of one that does not park any more

    @cached_property
    def _requests(self) -> ParkedRequests | None:
        if self.parking is None:
            return None
        return ParkedRequests(self.parking, partial(self._attempt, was_parked=True), self.dead_letter)

    def attempt(self, task: QueuedRecord) -> Result:
        """Try it once. Whatever a handler raises is a result; :class:`Requeue` comes through.

        A record that must not overtake parked ones of its key is parked, one that is parked already is done.
        """
        if self._requests is not None and task.in_flight.topic == self.plan.requests:
            return self._requests.attempt(task)
        if task.decided is not None:
            return self._enter(task, task.decided)
        if self.parked_before is not None and (held := self.parked_before.hold(task)) is not None:
            return held
        result = self._attempt(task)
        if self.parking is not None and isinstance(result, Done):
            self.parking.passed(task)
        return result

    def give_up(self, task: QueuedRecord, raised: Raised) -> Result:
        """Park a record whose handler has raised for the last time, or write it to the dead letters."""
        if self.parking is not None and task.record.key:
            return self.parking.park(task, raised)
        return self.dead_letter(task, "failed", raised.detail, raised.traceback)

    def _attempt(self, task: QueuedRecord, was_parked: bool = False) -> Result:
        record = task.record
        headers = Headers.of(record)
        try:
            message = self._read(task)
            if message is None:
                return Done()
            if self.parking and not was_parked and (held := self.parking.hold(task)) is not None:
                return held
            handling = self.plan.handlings[type(message)]
            context = context_of(record, headers)
            if self._is_settled(task, message, handling):
                return Done()
            cause = Cause(
                self.plan.declared.group,
                handling.handler.function.__qualname__,
                context.id,
                context.correlation_id,
                headers.traceparent,
            )
        except UndecodableError as error:
            return self._undecodable(task, str(error))
        except (ClosedError, DeliveryError, UnavailableError) as error:
            return Unavailable.of(error)
        if (tracer := active()) is not None:
            return self._handle_traced(tracer, task, message, handling, context, cause)
        return self._handle(task, message, handling, context, HandlerOutbox(self.producer, cause))

    def _handle_traced(
        self,
        tracer: Tracer,
        task: QueuedRecord,
        message: Message,
        handling: MessageHandling,
        facts: Context,
        cause: Cause,
    ) -> Result:
        place = (facts.topic, facts.partition, facts.offset)
        span = processing(tracer, self.plan.group, handling.contract.name, place, facts.id, cause.traceparent)
        span.note({"verbwire.attempt": task.failures + 1})
        outbox = HandlerOutbox(self.producer, cause._replace(traceparent=span.traceparent))
        with spanning(tracer, span):
            result = self._handle(task, message, handling, facts, outbox)
            if not isinstance(result, Done):
                span.fail(type(result).__name__)
        return result

    def dead_letter(self, task: QueuedRecord, reason: str, detail: str, traceback: str = "") -> Result:
        """Write the record to the dead letters; it is finished once the broker has it, and a job's outcome, too."""
        try:
            self._bury(task, reason, detail, traceback)
        except (ClosedError, DeliveryError, UnavailableError) as error:
            return Unavailable(str(error))
        if self.outcomes is None or task.record.topic not in self.plan.decoders:
            return Done()
        named, failed = ReceivedRecord(task.record), Failed(reason=legible(detail[:500]))
        unreadable = unreadable_entry(named.record, named.headers, named.name)
        return self._enter(task, unreadable(failed) if task.entry_of is None else task.entry_of(failed))

    def _bury(self, task: QueuedRecord, reason: str, detail: str, traceback: str = "") -> None:
        text = legible(with_traceback(detail, traceback))
        self.producer.dead_letter(self.plan.dead_letters, task.record, reason, text)
        self.watch.dead_lettered(reason, task.record, detail)
        self.metrics.dead_lettered(reason)

    def _undecodable(self, task: QueuedRecord, detail: str) -> Result:
        try:
            if self.outcomes is not None and self.outcomes.is_decided(task):
                self._bury(task, "undecodable", detail)  # whatever this is, that id has its one outcome
                return Done()
        except (ClosedError, DeliveryError, UnavailableError) as error:
            return Unavailable(str(error))
        return self.dead_letter(task, "undecodable", detail)

    def _enter(self, task: QueuedRecord, entry: OutcomeEntry) -> Result:
        """Enter an outcome; where that has to wait it is all that is left to be done about the record."""
        assert self.outcomes is not None  # noqa: S101 (only jobs have any)
        task.decided = entry
        try:
            self.outcomes.enter(task, entry)
        except UnavailableError as error:
            return Unavailable(str(error))
        return Done()

    def _is_settled(self, task: QueuedRecord, message: Message, handling: MessageHandling) -> bool:
        """Whether a job's command is decided, or may not be carried out."""
        if self.outcomes is None:
            return False
        assert isinstance(handling, CommandHandling) and task.record.value is not None  # noqa: S101, PT018
        named = ReceivedRecord(task.record)
        if named.unnamed is not None:
            raise named.unnamed
        fingerprint = self.plan.decoders[task.record.topic].fingerprint(message, task.record.value)
        command = received(named, message, handling, fingerprint)
        task.entry_of = command.entry
        return self.outcomes.settle(task, command, self._bury)

    def _read(self, task: QueuedRecord) -> Message | None:
        decoder = self.plan.decoders.get(task.record.topic)
        if decoder is None:
            raise UndecodableError(f"not a dead letter of this group: it names the topic {task.record.topic!r}")
        message = decoder.decode(task.record.value)
        if message is None and self.plan.is_job:
            raise UndecodableError("no handler for this type")
        return message

    def _handle(
        self, task: QueuedRecord, message: Message, handling: MessageHandling, facts: Context, outbox: HandlerOutbox
    ) -> Result:
        handler, began = handling.handler, time.perf_counter()
        try:
            with (
                self._context(task, handling, facts, outbox) as context,
                self.watch.running(handler, task.record),
            ):
                result = self.loop.settled(handler.call_alone(message, lambda: context))
            entry = self._result(task, handling, result)
            outbox.settle()
        except Requeue:
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001 (whatever it is, it is logged, and tried again)
            if outbox.obstacle is not None:
                return Unavailable(str(outbox.obstacle))
            traceback = self.watch.raised(handler.where, task.record, error)
            return Raised(f"{handler.where} failed: {summary(error)}", traceback, error)
        finally:
            self.metrics.ran(time.perf_counter() - began)
        return Done() if entry is None else self._enter(task, entry)

    def _result(self, task: QueuedRecord, handling: MessageHandling, returned: object) -> OutcomeEntry | None:
        """Return what a handler has come to, of a job; ContractError for what neither may return."""
        if self.outcomes is not None and isinstance(handling, CommandHandling) and task.entry_of is not None:
            outcome, reply = outcome_of(returned, handling)
            entry = task.entry_of(outcome)
            entry.reply = reply
            self.outcomes.require_fit(entry)
            return entry
        if isinstance(returned, (Message, list, tuple)):
            raise ContractError(f"returned {type(returned).__name__}: messages are sent by context.send or .publish")
        return None

    @contextmanager
    def _context(
        self, task: QueuedRecord, handling: MessageHandling, facts: Context, outbox: HandlerOutbox
    ) -> Iterator[SubscriberContext]:
        group = self.plan.declared.group
        common: dict[str, Any] = {
            **{each.name: getattr(facts, each.name) for each in fields(facts)},
            "idempotency_key": derived_id(group, facts.id),
            "attempt": task.failures + 1,
            "outbox": outbox,
        }
        if not self.plan.is_job:
            yield SubscriberContext(**common)
            return
        place = (facts.topic, facts.partition, facts.offset)
        entry = Running(group, handling.contract.name, facts.id, *place, task.failures + 1, datetime.now(UTC))
        self.board.begin(entry)
        try:
            yield JobContext(**common, run=Run(task.in_flight, entry, self.metrics))
        finally:
            self.board.end(entry)
            self.metrics.job_ended(facts.partition)


class Run:
    """One run of a job's handler."""

    def __init__(self, in_flight: PartitionInFlight, entry: Running, metrics: EffectMetrics) -> None:
        self._in_flight = in_flight
        self._entry = entry
        self._metrics = metrics
        self._logged = time.monotonic()
        self._lock = threading.Lock()

    @property
    def stopping(self) -> bool:
        """Whether the command's partition is revoked."""
        return self._in_flight.stopping

    def progress(self, done: float, total: float, note: str) -> None:
        """Report the progress."""
        entry = self._entry
        entry.done, entry.total, entry.note = done, total, note
        self._metrics.job_progress(entry.partition, done / total if total else 0.0)
        with self._lock:
            now = time.monotonic()
            if now - self._logged < _LOG_SECONDS:
                return
            self._logged = now
        log.info("%s: %s of %s: %g of %g %s", entry.group, entry.id, entry.command, done, total, note)
