"""The processor of a process manager: state and event, or outcome, in; state and commands out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from verbwire.contracts.schema.model import Contract
from verbwire.declarations.results import read_step
from verbwire.declarations.tagged import Tagged
from verbwire.engine.processors.inputs import NO_HANDLER, UNREAD
from verbwire.engine.processors.table import Decoded, Matched, Produced, TableProcessor
from verbwire.engine.processors.tracing import EngineTracing
from verbwire.engine.state.partition_cache import PartitionCache
from verbwire.engine.topology import StopPartition
from verbwire.engine.transactions.record_limits import RecordLimits
from verbwire.engine.transactions.transaction import Transaction
from verbwire.handling.contexts import correlation_of, id_of
from verbwire.kafka.record import Record, place_of
from verbwire.messages import Command, Stored
from verbwire.wire.avro.messages import Encoder
from verbwire.wire.headers import Envelope, Headers, HeaderTemplate, RawHeaders
from verbwire.wire.keys import key_of
from verbwire.wire.partitioner import partition_of
from verbwire.wire.process_command_ids import CommandIds


@dataclass(frozen=True)
class CommandEmission:
    """How one type of command is sent."""

    contract: Contract
    encoder: Encoder
    headers: HeaderTemplate
    topic: str
    partitions: int
    grant: Callable[[str, bytes, bytes], RawHeaders] | None = None  # id, key, value -> the proof of whose it is


@dataclass(kw_only=True)
class ProcessManagerProcessor(TableProcessor):
    """Runs process instances: the rows are their states, and commands go out in the transaction that changes them."""

    sends: Mapping[type[Command], CommandEmission]
    ids: CommandIds
    limits: RecordLimits
    tracing: EngineTracing | None = None  # where traces are kept

    def _decode(self, record: Record, message: Any = UNREAD) -> Decoded:
        decoded = super()._decode(record, message)
        if isinstance(decoded, Matched):
            _cause(decoded)  # where that cannot be read the record is to blame, not the handler
        return decoded

    def _apply(self, cache: PartitionCache, matched: Matched, transaction: Transaction) -> None:
        if matched.handler is not NO_HANDLER:
            super()._apply(cache, matched, transaction)
        elif cache.get(matched.key) is not None:  # else the instance has ended, and waits for nothing
            raise StopPartition(matched.record, _unhandled(matched))

    def _result_of(self, matched: Matched, returned: object) -> tuple[Stored | None, Sequence[Produced]]:
        """Return the state, and its commands as records; whatever is wrong with them is the handler's fault."""
        step = read_step(returned, self.row, [*self.sends])
        return step.state, [self._sent(matched, number, command) for number, command in enumerate(step.commands)]

    def _sent(self, matched: Matched, number: int, what: Command | Tagged) -> Produced:
        tag, command = (what.tag, what.command) if isinstance(what, Tagged) else (None, what)
        sends = self.sends[type(command)]
        command = sends.encoder.normal(command)
        name, correlation, traceparent = _cause(matched)
        key = key_of(sends.contract, command)
        id, more = self.ids.id(matched.key, name, matched.handler.message.__contract__, number, tag)
        traceparent = matched.traceparent or traceparent
        envelope = Envelope(correlation_id=correlation, causation_id=name, traceparent=traceparent)
        if self.tracing is not None:
            envelope = self.tracing.sent(sends.topic, sends.contract.name, id, envelope)
        headers = sends.headers.headers(id, envelope) + more
        value = sends.encoder(command)
        if sends.grant is not None:
            headers += sends.grant(id, key, value)
        self.limits.sized(sends.topic, key, value, sends.contract.name, headers)
        return Produced(sends.topic, partition_of(key, sends.partitions), key, value, headers)


def _unhandled(matched: Matched) -> str:
    place = place_of(matched.source)
    return f"the process instance of {place} would wait for ever for it: {matched.message}"


def _cause(matched: Matched) -> tuple[str, str, str | None]:
    """Return what the commands inherit: id of their cause, id of what started the flow, trace."""
    headers = Headers(matched.source.headers)
    name = id_of(matched.source, headers)
    return name, correlation_of(headers, name), headers.traceparent
