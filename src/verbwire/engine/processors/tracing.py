"""Spans of what the engine handles: only of messages whose trace is kept by who began it.

Each has a span for its handler, each event that a command leads to one for its creation; a transaction has one, which
is linked to all of them and ends with the commit. That of a transaction that was aborted has failed: what its
messages' spans tell of has not happened.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from verbwire.engine.transactions.transaction import Transaction
from verbwire.messages import Failed, Rejected
from verbwire.tracing.kafka_spans import committing, created, processing
from verbwire.tracing.seam import Tracer, TraceSpan, active, is_sampled, spanning
from verbwire.wire.headers import Envelope, Headers

if TYPE_CHECKING:
    from verbwire.engine.processors.outcomes import OutcomeBatch
    from verbwire.engine.processors.received_command import ReceivedCommand
    from verbwire.engine.processors.table import Matched
    from verbwire.engine.state.partition_cache import PartitionCache

RunHandler = Callable[["PartitionCache", "ReceivedCommand", "OutcomeBatch"], None]
Apply = Callable[["PartitionCache", "Matched", Transaction], None]


class EngineTracing:
    """Traces one group."""

    def __init__(self, tracer: Tracer, group: str) -> None:
        self._tracer = tracer
        self._group = group

    @classmethod
    def of(cls, group: str) -> EngineTracing | None:
        """Return it where tracing is on."""
        tracer = active()
        return None if tracer is None else cls(tracer, group)

    def command(self, run: RunHandler, cache: PartitionCache, command: ReceivedCommand, batch: OutcomeBatch) -> None:
        """Run a command's handler in a span, from which its events and its outcome continue."""
        parent, record = command.sender.traceparent, command.record
        if not is_sampled(parent):
            return run(cache, command, batch)
        place = (record.topic, record.partition, record.offset)
        span = processing(self._tracer, self._group, command.handling.contract.name, place, command.name, parent)
        self._join(batch.transaction, span)
        sender = msgspec.structs.replace(command.sender, traceparent=span.traceparent)
        traced = msgspec.structs.replace(command, sender=sender)
        with spanning(self._tracer, span):
            run(cache, traced, batch)
            outcome = batch.last
            span.note({"verbwire.outcome": type(outcome).__name__.lower()})
            if isinstance(outcome, Rejected):
                span.note({"verbwire.rejection": outcome.code})
            elif isinstance(outcome, Failed):
                span.fail("Failed")
        return None

    def message(self, apply: Apply, cache: PartitionCache, matched: Matched, transaction: Transaction) -> None:
        """Apply a message in a span, from which the commands of a process continue."""
        headers = Headers.of(matched.source)
        parent, record = headers.traceparent, matched.record
        if not is_sampled(parent):
            return apply(cache, matched, transaction)
        place = (record.topic, record.partition, record.offset)
        contract = getattr(matched.message, "__contract__", type(matched.message).__name__)
        span = processing(self._tracer, self._group, contract, place, headers.id, parent)
        self._join(transaction, span)
        with spanning(self._tracer, span):
            matched.traceparent = span.traceparent
            apply(cache, matched, transaction)
        return None

    def sent(self, topic: str, type: str, id: str, envelope: Envelope) -> Envelope:
        """Note a message that goes out, and return the envelope by which its trace goes on."""
        if not is_sampled(envelope.traceparent):
            return envelope
        traceparent = created(self._tracer, topic, type, id, envelope.traceparent)
        return msgspec.structs.replace(envelope, traceparent=traceparent)

    def _join(self, transaction: Transaction, span: TraceSpan) -> None:
        if transaction.span is None:
            transaction.span = committing(self._tracer, self._group)
        transaction.span.link(span.traceparent)
