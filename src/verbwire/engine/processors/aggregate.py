"""Processes the commands of an aggregate: command and state in, events and an outcome out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TypeVar

import msgspec

from verbwire.contracts.schema.model import Contract
from verbwire.declarations.handlers import Handler
from verbwire.declarations.results import read_result
from verbwire.engine.processors.dedup import CommandDedup
from verbwire.engine.processors.outcomes import OutcomeBatch, OutcomeEntry, OutcomeLog
from verbwire.engine.processors.received_command import CommandSender, ReceivedCommand, ReceivedRecord, unreadable_entry
from verbwire.engine.processors.tracing import EngineTracing
from verbwire.engine.state.partition_cache import PartitionCache
from verbwire.engine.transactions.dead_letters import dead_letter, legible, with_traceback
from verbwire.engine.transactions.record_limits import RecordLimits
from verbwire.engine.transactions.transaction import Transaction
from verbwire.errors import ContractError, UndecodableError
from verbwire.handling.admission import not_admitted
from verbwire.handling.contexts import context_of
from verbwire.handling.dispatch import CommandHandling
from verbwire.kafka.broker_clock import BrokerClock
from verbwire.kafka.record import Record, is_stamped
from verbwire.messages import Accepted, Event, Expired, Failed, Message, Rejected, Stored
from verbwire.observability.watch.handlers import HandlerWatch
from verbwire.observability.watch.tracebacks import summary
from verbwire.wire.avro.messages import Encoder
from verbwire.wire.codec.topics import TopicDecoder
from verbwire.wire.grants.policy import GrantCheck
from verbwire.wire.headers import Envelope, HeaderTemplate, RawHeaders
from verbwire.wire.keys import keyer

T = TypeVar("T")
MAX_EVENTS = 10_000  # of one command: its outcome names the place of each


@dataclass(frozen=True)
class EventEmission:
    """How one type of event is written, and applied where the aggregate has a function for it."""

    contract: Contract
    encoder: Encoder
    headers: HeaderTemplate
    applier: Handler | None

    @cached_property
    def key(self) -> Callable[[Message], bytes]:
        """What makes the key of such an event."""
        return keyer(self.contract)


@dataclass
class AggregateProcessor:
    """Decides commands, in order per key. One that was accepted or rejected is not decided again under the same id.

    Except where it was rejected for want of permission, which may have been given since.
    """

    decoder: TopicDecoder
    commands: Mapping[type[Message], CommandHandling]
    state: type[Stored]
    events: dict[type[Event], EventEmission]  # those met so far
    emits: Callable[[type[Event]], EventEmission]  # ContractError for one that this aggregate cannot emit
    events_topic: str
    encode: Callable[[bytes, Stored], object]
    normal: Callable[[Stored], Stored]  # the state as it will be read back
    outcome_log: OutcomeLog
    limits: RecordLimits
    dead_letters: str
    clock: BrokerClock
    watch: HandlerWatch
    tracing: EngineTracing | None = None  # where traces are kept

    def __post_init__(self) -> None:
        self._run = self._run_handler if self.tracing is None else partial(self.tracing.command, self._run_handler)
        self._dedup = CommandDedup(self.dead_letters, self.watch)

    def process(self, cache: PartitionCache, records: Sequence[Record], transaction: Transaction) -> int:
        """Decide these commands, in order, and return how many there was time for."""
        self.watch.enter()
        try:
            return self._process(cache, records, transaction)
        finally:
            self.watch.spot.at = None

    def _process(self, cache: PartitionCache, records: Sequence[Record], transaction: Transaction) -> int:
        received = [*map(ReceivedRecord, records)]
        cache.begin([record.key for record in records if record.key], [each.name for each in received])
        batch = self.outcome_log.batch(transaction, cache.partition)
        messages = self.decoder.decode_all([record.value for record in records])
        for done, (each, message) in enumerate(zip(received, messages, strict=True)):
            if done and transaction.is_late():
                return done
            self._process_one(cache, each, message, batch)
        return len(received)

    def _process_one(
        self,
        cache: PartitionCache,
        received: ReceivedRecord,
        message: Message | UndecodableError | None,
        batch: OutcomeBatch,
    ) -> None:
        known = cache.decided_fingerprint(received.name)
        try:
            command = self._read(received, message)
        except UndecodableError as error:
            self._refuse_unreadable(received, known is not None, batch, str(error))
        else:
            if not self._settle_without_handler(command, known, batch):
                self._run(cache, command, batch)

    def _read(self, received: ReceivedRecord, message: Message | UndecodableError | None) -> ReceivedCommand:
        """Return the command that a record is; UndecodableError where it is none that this aggregate handles."""
        record, headers, name = received.record, received.headers, received.name
        if received.unnamed is not None:
            raise received.unnamed
        if isinstance(message, UndecodableError):
            raise message
        if message is None or not record.key:
            raise UndecodableError("no handler for this type" if record.key else "the record has no key")
        sender = CommandSender(headers.started_by or name, headers.actor, headers.scopes, headers.traceparent)
        expiry, reply_partition = headers.expiry(record.timestamp), headers.reply_partition
        process_instance_key = headers.process_instance_key
        assert record.value is not None  # noqa: S101 (it was decoded)
        handling, fingerprint = self.commands[type(message)], self.decoder.fingerprint(message, record.value)
        if handling.contract.response == "none":
            reply_partition = None
        return ReceivedCommand(
            *(record, record.key, headers, name, message, handling, fingerprint),
            *(sender, expiry, reply_partition, process_instance_key),
        )

    def _refuse_unreadable(self, received: ReceivedRecord, is_known: bool, batch: OutcomeBatch, detail: str) -> None:
        record = received.record
        self.watch.dead_lettered("undecodable", record, detail)
        if is_known:  # whatever this is, that id has its one outcome
            dead_letter(batch.transaction, self.dead_letters, record, "undecodable", detail)
        else:
            self._fail(unreadable_entry(record, received.headers, received.name), "undecodable", detail, batch)

    def _settle_without_handler(self, command: ReceivedCommand, known: bytes | None, batch: OutcomeBatch) -> bool:
        """Settle a command without a valid grant, a duplicate, or one after its deadline; False for all others."""
        check = command.handling.check
        return bool(
            (check and self._refuse_ungranted(check, command, known, batch))
            or (known is not None and self._dedup.settle(command, known, batch))
            or (command.expiry is not None and self._expire(command, command.expiry, batch))
        )

    def _refuse_ungranted(
        self, check: GrantCheck, command: ReceivedCommand, known: bytes | None, batch: OutcomeBatch
    ) -> bool:
        ungranted = check.refusal(command.headers, command.name, command.record, is_stamped(command.record))
        if not ungranted:
            return False
        # Before its id is looked up: another client may have sent that command, and waits for its outcome.
        entry = command.entry(ungranted)
        batch.enter(entry) if known is None else batch.refuse(entry)
        return True

    def _expire(self, command: ReceivedCommand, expiry: int, batch: OutcomeBatch) -> bool:
        if self.clock.now_ms() < expiry:
            return False
        batch.enter(command.entry(Expired()))
        return True

    def _run_handler(self, cache: PartitionCache, command: ReceivedCommand, batch: OutcomeBatch) -> None:
        transaction, record, handling, name = batch.transaction, command.record, command.handling, command.name
        key = command.key
        spot = self.watch.spot
        spot.handler, spot.at = handling.handler, record
        try:
            decided = self._decide(cache.get(key), command)
            envelope = command.sender.envelope(name)
            prepared = [self._prepare(key, event, f"{name}:{n}", envelope) for n, event in enumerate(decided.events)]
            entry = command.entry(decided.outcome, decided.reply)
            self.outcome_log.require_fit(entry, len(prepared))
            if transaction.checks_rows(cache.partition) and decided.state is not None:
                self.encode(key, decided.state)
        except BaseException as error:  # noqa: BLE001 (whatever a handler raises, sys.exit() too: the key goes on)
            traceback = self.watch.raised(handling.handler.where, record, error)
            detail = f"{handling.handler.where} failed: {summary(error)}"
            return self._fail(command.entry, "failed", detail, batch, traceback)
        delivered = batch.placing(entry, len(prepared)) if prepared else None
        for value, its_headers in prepared:
            transaction.produce(self.events_topic, record.partition, key, value, its_headers, on_delivery=delivered)
        if decided.changed:
            cache.put(key, decided.state)
        if entry.final:
            cache.mark_decided(name, command.fingerprint)
        return batch.enter(entry)

    def _decide(self, state: Stored | None, command: ReceivedCommand) -> _Decided:
        handling, sender = command.handling, command.sender
        if refused := not_admitted(handling.contract, command.message, sender.actor, sender.scopes):
            return _Decided(refused)
        context = partial(context_of, command.record, command.headers)
        returned = handling.handler.call(command.message, state, context)
        if isinstance(returned, Rejected):
            if returned.code not in handling.contract.rejections:
                raise ContractError(f"{returned.code!r} is not among the rejections of {handling.contract.name}")
            return _Decided(returned)
        result = read_result(returned, self.state)
        if len(result.events) > MAX_EVENTS:
            raise ContractError(f"{len(result.events)} events of one command, {MAX_EVENTS} are the most: split it")
        reply = handling.framed(result.reply)
        # What is applied is what readers will see of the event, and what is kept is what a restart would read.
        events = [self._emits(type(event)).encoder.normal(event) for event in result.events]
        if result.state is None:
            for event in events:
                state = self._apply(state, event, context)
            return _Decided(Accepted(), events, bool(events), state, reply)
        return _Decided(Accepted(), events, True, self.normal(result.state), reply)

    def _apply(self, state: Stored | None, event: Event, context: Callable[[], object]) -> Stored:
        applier = self._emits(type(event)).applier
        if applier is None:
            raise ContractError(
                f"{type(event).__name__} is not applied by this aggregate: add @applies for it, "
                f"or return the new {self.state.__name__} beside it"
            )
        after = applier.call(state, event, context)
        if type(after) is not self.state:
            raise TypeError(f"{applier.where} returned {type(after).__name__}, not {self.state.__name__}")
        return self.normal(after)

    def _emits(self, event: type[Event]) -> EventEmission:
        found = self.events.get(event)
        if found is None:
            found = self.events[event] = self.emits(event)
        return found

    def _prepare(self, key: bytes, event: Event, id: str, envelope: Envelope) -> tuple[bytes, RawHeaders]:
        emits = self._emits(type(event))
        if emits.key(event) != key:
            raise ContractError(f"{emits.contract.name} has another key than its command: order per key would be lost")
        if self.tracing is not None:
            envelope = self.tracing.sent(self.events_topic, emits.contract.name, id, envelope)
        headers = emits.headers.headers(id, envelope)
        return self.limits.sized(self.events_topic, key, emits.encoder(event), emits.contract.name, headers), headers

    def _fail(
        self,
        entry: Callable[[Failed], OutcomeEntry],
        reason: str,
        detail: str,
        batch: OutcomeBatch,
        traceback: str = "",
    ) -> None:
        failed = entry(Failed(reason=legible(detail[:500])))
        dead_letter(batch.transaction, self.dead_letters, failed.record, reason, with_traceback(detail, traceback))
        batch.enter(failed)


class _Decided(msgspec.Struct, gc=False):
    outcome: Accepted | Rejected
    events: Sequence[Event] = ()
    changed: bool = False
    state: Stored | None = None  # as it is afterwards, where it changed
    reply: bytes | None = None
