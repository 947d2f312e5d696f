"""The processor of an aggregate: command and state in, events and an outcome out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, TypeVar

from verbwire.contracts.schema.model import Contract
from verbwire.declarations.handlers import Handler
from verbwire.declarations.results import read_result
from verbwire.engine.processors.outcomes import OutcomeBatch, OutcomeEntry, OutcomeLog
from verbwire.engine.state.partition_cache import PartitionCache
from verbwire.engine.transactions.dead_letters import dead_letter, legible, with_traceback
from verbwire.engine.transactions.record_limits import RecordLimits
from verbwire.engine.transactions.transaction import Transaction
from verbwire.errors import ContractError, UndecodableError
from verbwire.handling.admission import not_admitted
from verbwire.handling.contexts import context_of, place_id
from verbwire.handling.record import Record, is_stamped
from verbwire.kafka.broker_clock import BrokerClock
from verbwire.messages import ID_REUSED, Accepted, Event, Expired, Failed, Message, Rejected, Row
from verbwire.observability.watch.handlers import HandlerWatch
from verbwire.observability.watch.tracebacks import summary
from verbwire.principal import Principal
from verbwire.wire.avro.fingerprints import fingerprint_of
from verbwire.wire.avro.messages import Encoder
from verbwire.wire.codec.topics import TopicDecoder
from verbwire.wire.grants.policy import GrantCheck
from verbwire.wire.headers import Envelope, Headers, HeaderTemplate, RawHeaders
from verbwire.wire.keys import key_of

T = TypeVar("T")
MAX_EVENTS = 10_000  # of one command: its outcome names the place of each


@dataclass(frozen=True)
class CommandHandling:
    """How one type of command is dealt with."""

    contract: Contract
    handler: Handler
    reply: Encoder | None = None  # of the row that its contract names
    check: GrantCheck | None = None  # of the proof that it has to carry

    def framed(self, reply: Row | None) -> bytes | None:
        """Return the reply's record; ContractError where it is not what the contract says."""
        name = self.contract.short
        if self.reply is None:
            if reply is None:
                return None
            raise ContractError(f"{type(reply).__name__} is no state and {name} has no reply: name it in its contract")
        expected = self.reply.contract
        if reply is None:
            raise ContractError(f"{name} was not replied to: return {expected.short} besides its events")
        if (reply.__contract__, reply.__fingerprint__) != (expected.name, expected.fingerprint):
            raise ContractError(f"{name} is replied to with {expected.name} as it is now, not {type(reply).__name__}")
        return self.reply(reply)


@dataclass(frozen=True)
class EventEmission:
    """How one type of event is written, and applied where the aggregate has a function for it."""

    contract: Contract
    encoder: Encoder
    headers: HeaderTemplate
    applier: Handler | None


@dataclass
class AggregateProcessor:
    """Decides commands one key at a time. Accepted and rejected ones are not done again under the same id.

    But for those that were rejected for want of permission: it may have been given since.
    """

    decoder: TopicDecoder
    commands: Mapping[type[Message], CommandHandling]
    state: type[Row]
    events: dict[type[Event], EventEmission]  # those met so far
    emits: Callable[[type[Event]], EventEmission]  # ContractError for one that this aggregate cannot emit
    events_topic: str
    encode: Callable[[bytes, Row], object]
    normal: Callable[[Row], Row]  # the state as it will be read back
    ledger: OutcomeLog
    limits: RecordLimits
    dead_letters: str
    clock: BrokerClock
    watch: HandlerWatch

    def process(self, shard: PartitionCache, records: Sequence[Record], transaction: Transaction, careful: bool) -> int:
        """Decide these commands, in order, and return how many there was time for."""
        try:
            return self._process(shard, records, transaction, careful)
        finally:
            self.watch.spot.at = None

    def _process(
        self, shard: PartitionCache, records: Sequence[Record], transaction: Transaction, careful: bool
    ) -> int:
        taken = [*map(_Taken, records)]
        shard.begin([record.key for record in records if record.key], [each.name for each in taken])
        page = self.ledger.page(transaction, shard.partition)
        for done, each in enumerate(taken):
            if done and transaction.is_late():
                return done
            self._take(shard, each, page, careful)
        return len(taken)

    def _take(self, shard: PartitionCache, taken: _Taken, page: OutcomeBatch, careful: bool) -> None:
        record, headers, name = taken.record, taken.headers, taken.name
        transaction, known = page.transaction, shard.answered(name)
        try:
            if taken.unnamed is not None:
                raise taken.unnamed
            command = self.decoder.decode(record.value)
            if command is None or not record.key:
                raise UndecodableError("no handler for this type" if record.key else "the record has no key")
            sender = _Sender(headers.correlation_id or name, headers.actor, headers.scopes, headers.traceparent)
            expiry, asker = headers.expiry(record.timestamp), headers.reply_partition
            undertaking = headers.undertaking
        except UndecodableError as error:
            self.watch.buried("undecodable", record, str(error))
            if known is not None:  # whatever this is, that id has its one outcome
                return dead_letter(transaction, self.dead_letters, record, "undecodable", str(error))
            return self._fail(_unreadable(record, headers, name), "undecodable", str(error), page)
        assert record.value is not None  # noqa: S101 (decoded just now)
        receives, fingerprint = self.commands[type(command)], self.decoder.fingerprint(command, record.value)
        if receives.contract.response == "none":
            asker = None
        verdict = partial(
            OutcomeEntry,
            name,
            receives.contract.name,
            fingerprint,
            record,
            asker,
            correlation_id=None if sender.correlation_id == name else sender.correlation_id,
            traceparent=sender.traceparent,
            undertaking=undertaking,
        )
        if receives.check and (ungranted := receives.check.refusal(headers, name, record, is_stamped(record))):
            # Before its id is looked at: somebody else may have sent that command, and waits for its outcome.
            transaction.count("rejected", receives.contract.name, ungranted.code)
            return page.enter(verdict(ungranted)) if known is None else page.refuse(verdict(ungranted))
        if known == fingerprint:
            transaction.count("duplicate")
            return page.repeat(name, asker)
        if known is not None:
            detail = f"{name} named another payload"
            self.watch.buried("id-reused", record, detail)
            dead_letter(transaction, self.dead_letters, record, "id-reused", detail)
            return page.refuse(verdict(Rejected(ID_REUSED, detail)))
        if expiry is not None and self.clock.now_ms() >= expiry:
            transaction.count("expired", receives.contract.name)
            return page.enter(verdict(Expired()))
        spot = self.watch.spot
        spot.handler, spot.at = receives.handler, record
        try:
            decided = self._decide(shard.get(record.key), command, receives, record, headers, sender)
            prepared = [self._prepare(record.key, event, n, name, sender) for n, event in enumerate(decided.events)]
            decision = verdict(decided.outcome, decided.reply)
            self.ledger.require_fit(decision, len(prepared), self.events_topic)
            if careful and decided.state is not None:
                self.encode(record.key, decided.state)
        except BaseException as error:  # noqa: BLE001 (whatever a handler raises, sys.exit() too: the key goes on)
            traceback = self.watch.raised(receives.handler.where, record, error)
            reason = f"{receives.handler.where} failed: {summary(error)}"
            return self._fail(verdict, "failed", reason, page, traceback)
        for value, its_headers in prepared:
            transaction.produce(
                self.events_topic, record.partition, record.key, value, its_headers, on_delivery=decision.delivered
            )
        if decided.changed:
            shard.put(record.key, decided.state)
        if decision.final:
            shard.remember(name, fingerprint)
        if isinstance(decided.outcome, Rejected):
            transaction.count("rejected", receives.contract.name, decided.outcome.code)
        return page.enter(decision)

    def _decide(
        self,
        state: Row | None,
        command: Message,
        receives: CommandHandling,
        record: Record,
        headers: Headers,
        sender: _Sender,
    ) -> _Decided:
        if refused := not_admitted(receives.contract, command, sender.actor, sender.scopes):
            return _Decided(refused)
        context = partial(context_of, record, headers)
        returned = receives.handler.call(command, state, context)
        if isinstance(returned, Rejected):
            if returned.code not in receives.contract.rejections:
                raise ContractError(f"{returned.code!r} is not among the rejections of {receives.contract.name}")
            return _Decided(returned)
        result = read_result(returned, self.state)
        if len(result.events) > MAX_EVENTS:
            raise ContractError(f"{len(result.events)} events of one command, {MAX_EVENTS} are the most: split it")
        reply = receives.framed(result.reply)
        # What is applied is what readers will see of the event, and what is kept is what a restart would read.
        events = [self._emits(type(event)).encoder.normal(event) for event in result.events]
        if result.state is None:
            for event in events:
                state = self._apply(state, event, context)
            return _Decided(Accepted(), events, bool(events), state, reply)
        return _Decided(Accepted(), events, True, self.normal(result.state), reply)

    def _apply(self, state: Row | None, event: Event, context: Callable[[], object]) -> Row:
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

    def _prepare(self, key: bytes, event: Event, index: int, name: str, sender: _Sender) -> tuple[bytes, RawHeaders]:
        emits = self._emits(type(event))
        if key_of(emits.contract, event) != key:
            raise ContractError(f"{emits.contract.name} has another key than its command: order per key would be lost")
        headers = self._headers(emits, name, index, sender)
        return self.limits.sized(self.events_topic, key, emits.encoder(event), emits.contract.name, headers), headers

    def _headers(self, emits: EventEmission, command_id: str, index: int, sender: _Sender) -> list[tuple[str, bytes]]:
        return emits.headers.headers(
            f"{command_id}:{index}",
            Envelope(
                principal=Principal(sender.actor or ""),
                correlation_id=sender.correlation_id,
                causation_id=command_id,
                traceparent=sender.traceparent,
            ),
        )

    def _fail(
        self,
        verdict: Callable[[Failed], OutcomeEntry],
        reason: str,
        detail: str,
        page: OutcomeBatch,
        traceback: str = "",
    ) -> None:
        failed = verdict(Failed(reason=legible(detail[:500])))
        dead_letter(page.transaction, self.dead_letters, failed.record, reason, with_traceback(detail, traceback))
        page.enter(failed)


class _Taken:
    """A command's record, and the id that it goes by: its place, which is as unique, where it names none legibly."""

    __slots__ = ("headers", "name", "record", "unnamed")

    def __init__(self, record: Record) -> None:
        self.record = record
        self.headers = Headers(record.headers)
        self.unnamed: UndecodableError | None = None  # why its own cannot be read
        try:
            self.name = self.headers.command_id or place_id(record)
        except UndecodableError as error:
            self.name, self.unnamed = place_id(record), error


class _Sender(NamedTuple):
    """What a command's headers say that its events inherit, or that permission is decided by."""

    correlation_id: str
    actor: str | None
    scopes: tuple[str, ...]
    traceparent: str | None


class _Decided(NamedTuple):
    outcome: Accepted | Rejected
    events: Sequence[Event] = ()
    changed: bool = False
    state: Row | None = None  # as it is afterwards, where it changed
    reply: bytes | None = None


def _unreadable(record: Record, headers: Headers, name: str) -> Callable[[Failed], OutcomeEntry]:
    """The verdict on what may be no command at all, with as much as its headers say."""
    command, asker = _said(lambda: headers.type) or "", _said(lambda: headers.reply_partition)
    return partial(
        OutcomeEntry,
        name,
        command,
        fingerprint_of(record.value or b""),
        record,
        asker,
        correlation_id=_said(lambda: headers.started_by),
        traceparent=_said(lambda: headers.traceparent),
        undertaking=_said(lambda: headers.undertaking),
    )


def _said(read: Callable[[], T | None]) -> T | None:
    try:
        return read()
    except UndecodableError:
        return None
