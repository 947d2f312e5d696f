"""The processor of a process manager: instance and event, or outcome, in; instance and commands out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

from msgspec.structs import replace

from verbwire.contracts.schema.model import Contract
from verbwire.declarations.handlers import Handler
from verbwire.declarations.results import Step, read_step
from verbwire.declarations.sent import Sent, unwrapped
from verbwire.engine.processors.due_records import due_name, due_record, is_due_record
from verbwire.engine.processors.inputs import NO_HANDLER, UNREAD
from verbwire.engine.processors.instance_rows import Instance
from verbwire.engine.processors.table import Decoded, Matched, Produced, TableProcessor, to_blame
from verbwire.engine.processors.tracing import EngineTracing
from verbwire.engine.state.partition_cache import PartitionCache
from verbwire.engine.topology import StopDue, StopPartition
from verbwire.engine.transactions.dead_letters import legible
from verbwire.engine.transactions.record_limits import RecordLimits
from verbwire.engine.transactions.transaction import Transaction
from verbwire.errors import ContractError
from verbwire.handling.contexts import correlation_of, id_of
from verbwire.kafka.broker_clock import BrokerClock
from verbwire.kafka.record import ConsumedRecord, Record, place_of
from verbwire.messages import Accepted, Command, Message, Outcome, State, Stored
from verbwire.observability.watch.tracebacks import summary
from verbwire.wire.avro.messages import Encoder
from verbwire.wire.headers import Envelope, Headers, HeaderTemplate, RawHeaders
from verbwire.wire.ids import derived_id
from verbwire.wire.keys import key_of
from verbwire.wire.partitioner import partition_of
from verbwire.wire.process_command_ids import CommandIds, unprefixed
from verbwire.wire.records.process_instances import InstanceRecord, Received, Waited
from verbwire.wire.scheduling import require_room, time_header


@dataclass(frozen=True)
class CommandEmission:
    """How one type of command is sent."""

    contract: Contract
    encoder: Encoder
    headers: HeaderTemplate
    topic: str
    partitions: int
    grant: Callable[[str, bytes, bytes], RawHeaders] | None = None  # id, key, value -> the proof of whose it is
    scheduled: str | None = None  # the topic of those that are sent for later, where they may be


@dataclass(frozen=True)
class ProcessVersion:
    """What one version of the process does."""

    number: int
    state: type[State]
    handlers: Mapping[type[Message], Handler]  # of events, and of the outcomes of commands
    sends: frozenset[type[Command]]
    ignored: frozenset[type[Command]]
    deadlines: Mapping[str, Handler]
    undoing: Handler | None  # what a cancelled instance does
    receivers: Mapping[type[Message], Handler]  # of the commands that it answers


class Answered(NamedTuple):
    """The outcome of a command that an instance has received."""

    received: Received
    outcome: Outcome
    key: bytes = b""
    by_its_end: bool = False  # no handler has given it: the instance has ended


class Led(NamedTuple):
    """What a step leads to."""

    after: Instance | None
    sent: list[Produced]
    answers: list[Answered]


class Answers(Protocol):
    """Enters the outcomes of commands that instances have received."""

    commands_topic: str

    def process(self, cache: PartitionCache, records: Sequence[Record], transaction: Transaction) -> int:
        """Take the steps that commands lead to."""
        ...

    def require_fit(self, answers: Iterable[Answered]) -> None:
        """Raise what is wrong with outcomes."""
        ...

    def answer(self, cache: PartitionCache, answers: Iterable[Answered], transaction: Transaction) -> None:
        """Enter outcomes."""
        ...


class StepCause(NamedTuple):
    """What a step is taken for, and what its commands inherit."""

    id: str
    what: str  # the full name of the event or command; with the id it makes those of its commands
    correlation: str  # id of what started the flow
    traceparent: str | None
    answered: str | None = None  # the command whose outcome it is, as the instance knows it


@dataclass(kw_only=True)
class ProcessManagerProcessor(TableProcessor):
    """Runs process instances: the rows are their states, and commands go out in the transaction that changes them."""

    group: str  # as declared
    sends: Mapping[type[Command], CommandEmission]
    versions: Mapping[int, ProcessVersion]
    newest: ProcessVersion
    ids: CommandIds
    limits: RecordLimits
    clock: BrokerClock
    tracing: EngineTracing | None = None  # where traces are kept
    answers: Answers | None = None  # where it receives commands

    def process(self, cache: PartitionCache, records: Sequence[Record], transaction: Transaction) -> int:
        """Take the steps that these records lead to, in order, and return how many there was time for."""
        if self.answers is not None and records[0].topic == self.answers.commands_topic:
            return self.answers.process(cache, records, transaction)
        return super().process(cache, records, transaction)

    def _decode(self, record: Record, message: Any = UNREAD) -> Decoded:
        decoded = super()._decode(record, message)
        if isinstance(decoded, Matched):
            _cause(decoded)  # where that cannot be read the record is to blame, not the handler
        return decoded

    def _apply(self, cache: PartitionCache, matched: Matched, transaction: Transaction) -> None:
        before = cache.get(matched.key)
        assert before is None or isinstance(before, Instance)  # noqa: S101 (what stands beside them makes them so)
        version, handler = self._handler(before, matched)
        if handler is None or (before is not None and before.record.heard and _is_heard(before, matched)):
            return
        spot = self.watch.spot
        spot.handler, spot.at = handler, matched.record
        try:
            state = None if before is None else before.state
            returned = handler.call(state, matched.message, lambda: self._context(matched))
            step = read_step(returned, version.state, version.sends, version.deadlines)
            led = self.led(version, matched.key, before, step, _cause(matched))
            self._require_fit(matched.key, led, transaction.checks_rows(cache.partition))
        except BaseException as error:  # sys.exit(), too: the next worker would meet the record again, and end as well
            traceback = self.watch.raised(handler.where, matched.record, error)
            raise to_blame(matched, error, handler, traceback) from error
        self.take(cache, matched.key, before, led, transaction)

    def apply(self, cache: PartitionCache, matched: Matched, transaction: Transaction) -> None:
        """Take the step that a message leads to; StopPartition where its handler raises."""
        self._apply(cache, matched, transaction)

    def take(
        self, cache: PartitionCache, key: bytes, before: Instance | None, led: Led, transaction: Transaction
    ) -> None:
        """Put a step into a transaction: what the instance has become, its commands, and the outcome that it gives."""
        self.put(cache, key, before, led, transaction)
        if led.answers and self.answers is not None:
            self.answers.answer(cache, led.answers, transaction)

    @staticmethod
    def put(cache: PartitionCache, key: bytes, before: Instance | None, led: Led, transaction: Transaction) -> None:
        """Do the same, but for the outcome."""
        for each in led.sent:
            transaction.produce(each.topic, each.partition, each.key, each.value, each.headers)
        if led.after is not before:
            cache.put(key, led.after)

    def _require_fit(self, key: bytes, led: Led, checks_rows: bool) -> None:
        if led.answers and self.answers is not None:
            self.answers.require_fit(led.answers)
        if checks_rows and led.after is not None:
            self.encode(key, led.after)

    # -- deadlines

    def fire(self, cache: PartitionCache, keys: Sequence[bytes], now: int, transaction: Transaction) -> int:
        """Decide what is due for these instances, in this order, and return for how many there was time.

        Of one instance the deadlines that were due when it began: what they set anew comes with the next time.
        """
        self.watch.enter()
        try:
            for done, key in enumerate(keys):
                if done and transaction.is_late():
                    return done
                self._fire(cache, key, now, transaction, done)
            return len(keys)
        finally:
            self.watch.spot.at = None

    def _fire(self, cache: PartitionCache, key: bytes, now: int, transaction: Transaction, done: int) -> None:
        first = cache.get(key)
        assert isinstance(first, Instance)  # noqa: S101 (only these have deadlines)
        for at, name in sorted((at, name) for name, at in first.record.due.items() if at <= now):
            instance = cache.get(key)
            if isinstance(instance, Instance) and instance.record.due.get(name) == at:
                try:
                    self._decide_or_park(
                        cache, key, instance, due_record(self.group, cache, key, name, at), transaction
                    )
                except StopPartition as stop:
                    raise StopDue(done, key, stop.reason) from stop.__cause__

    def _decide_or_park(
        self, cache: PartitionCache, key: bytes, instance: Instance, due: ConsumedRecord, transaction: Transaction
    ) -> None:
        """Decide a deadline; where its handler raises, or the instance is parked, it waits with what is parked."""
        name, held = due_name(due), replace(instance, record=instance.record.holding(due_name(due), due.offset))
        if key in cache.parked.standing and self.parking is not None:
            self.parking.hold(cache, key, due, transaction)
            cache.put(key, held)
            return
        try:
            self._decide(cache, key, instance, name, due, transaction)
        except StopPartition as stop:
            if self.parking is None:
                raise
            self.parking.park(cache, key, stop, transaction)
            cache.put(key, held)

    def again(self, cache: PartitionCache, key: bytes, record: Record, transaction: Transaction) -> None:
        """Take a step again that was parked; StopPartition where it cannot be taken yet."""
        if not is_due_record(record):
            return super().again(cache, key, record, transaction)
        cache.load([key])
        instance = cache.get(key)
        if isinstance(instance, Instance) and instance.record.held.get(due_name(record)) == record.offset:
            self._decide(cache, key, instance, due_name(record), record, transaction)
        return None

    def _decide(
        self, cache: PartitionCache, key: bytes, before: Instance, name: str, due: Record, transaction: Transaction
    ) -> None:
        version = self.versions.get(before.record.version)
        handler = None if version is None else version.deadlines.get(name)
        if version is None or handler is None:
            raise StopPartition(due, f"no handler for the deadline {name!r} in version {before.record.version}")
        spot = self.watch.spot
        spot.handler, spot.at = handler, due
        moment = datetime.fromtimestamp(due.offset / 1000, UTC)
        try:
            returned = handler.call_alone(before.state, lambda: moment)
            step = read_step(returned, version.state, version.sends, version.deadlines)
            fired = replace(before, record=before.record.without(name))
            led = self.led(version, key, fired, step, self._due_cause(key, before, name, due.offset))
            self._require_fit(key, led, transaction.checks_rows(cache.partition))
        except BaseException as error:  # sys.exit(), too: the next worker would meet it again, and end as well
            traceback = self.watch.raised(handler.where, due, error)
            raise StopPartition(due, legible(f"{handler.where} raised {summary(error)}"), legible(traceback)) from error
        self.take(cache, key, before, led, transaction)

    def _due_cause(self, key: bytes, instance: Instance, name: str, at: int) -> StepCause:
        record, what = instance.record, f"due {name}"
        which = f"{key.hex()}/{record.begun}/{at}"  # and of one instance its own at each step
        return StepCause(derived_id(self.group, which, what, record.steps), what, record.flow, None)

    # -- which version

    def _handler(self, before: Instance | None, matched: Matched) -> tuple[ProcessVersion, Handler | None]:
        """Return the version that an instance is of, and its handler; none where it is none of its business.

        StopPartition where it would wait for ever, or its version is not declared any more.
        """
        what, version = matched.handler.message, self.newest
        if before is not None:
            declared = self.versions.get(before.record.version)
            if declared is None:
                raise StopPartition(matched.record, self._undeclared(before, matched))
            version = declared
            if matched.handler is NO_HANDLER:
                raise StopPartition(matched.record, _unhandled(matched, str(matched.message)))
        handler = version.handlers.get(what)
        if handler is None and before is not None and issubclass(what, Command) and what not in version.ignored:
            reason = f"no handler for the outcome of {what.__contract__} in version {version.number}"
            raise StopPartition(matched.record, _unhandled(matched, reason))
        return version, handler

    def _undeclared(self, before: Instance, matched: Matched) -> str:
        declared = " and ".join(map(str, sorted(self.versions)))
        return (
            f"the process instance of {place_of(matched.source)} is of version {before.record.version}, declared here "
            f"is {declared}: declare that version beside it until its instances are over, "
            "`verbwire check --deployed` counts them"
        )

    def _context(self, matched: Matched) -> object:
        if matched.context is not None:
            return matched.context
        return self.input_readers[matched.source.topic].context(matched.source)

    # -- one step

    def led(
        self,
        version: ProcessVersion,
        key: bytes,
        before: Instance | None,
        step: Step[Any],
        cause: StepCause,
        received: Received | None = None,
    ) -> Led:
        """Return what a step leads to; whatever is wrong with it is the handler's fault.

        `received` is the command that it is taken for.
        """
        now = self.clock.now_ms()
        sent, waits = [], {}
        for number, each in enumerate(step.commands):
            produced, id = self._sent(key, cause, number, each)
            sent.append(produced)
            command = type(unwrapped(each).command)
            if command in version.handlers and self.sends[command].contract.response != "none":
                waits[unprefixed(id)] = Waited(command.__contract__, now)
        answers, left = _answered(key, None if before is None else before.record.received, received, step)
        if step.state is None:
            return Led(None, sent, answers)
        state = self._kept(before, step.state)
        record = _began(version, cause, now) if before is None else before.record
        after = record.sent(waits) if cause.answered is None else record.answered(cause.answered).sent(waits)
        after = _due(after, step, now)
        after = after if after.received is left else replace(after, received=left)
        if before is not None and state is before.state and after is record and not sent:
            return Led(before, sent, answers)
        after = replace(after, step=cause.what, at=now, steps=after.steps + 1, trouble="")
        return Led(Instance(state=state, record=after), sent, answers)

    def _kept(self, before: Instance | None, state: Stored) -> Stored:
        return state if before is not None and state is before.state else self.normal(state)

    def key_of_command(self, id: str, record: Record) -> bytes | None:
        """Return the key of the instance that has sent a command; None where this process has not."""
        found = self.ids.read(id)
        return None if found is None else self.ids.key(found, Headers(record.headers).process_instance_key)

    def _sent(self, key: bytes, cause: StepCause, number: int, what: Sent) -> tuple[Produced, str]:
        command, tag, ttl, later = unwrapped(what)
        sends = self.sends[type(command)]
        topic = sends.topic if later is None else _scheduled(sends)
        command = sends.encoder.normal(command)
        command_key = key_of(sends.contract, command)
        id, more = self.ids.id(key, cause.id, cause.what, number, tag)
        envelope = Envelope(
            ttl=ttl, correlation_id=cause.correlation, causation_id=cause.id, traceparent=cause.traceparent
        )
        if self.tracing is not None:
            envelope = self.tracing.sent(topic, sends.contract.name, id, envelope)
        headers = sends.headers.headers(id, envelope) + more
        value = sends.encoder(command)
        if sends.grant is not None:
            headers += sends.grant(id, command_key, value)
        if later is not None:
            headers.append(time_header(later.at, later.after))
            require_room(sends.contract.name, command_key, value, headers)
        self.limits.sized(topic, command_key, value, sends.contract.name, headers)
        partition = partition_of(command_key, sends.partitions)
        return Produced(topic, partition, command_key, value, headers), id


def _answered(
    key: bytes, open_one: Received | None, received: Received | None, step: Step[Any]
) -> tuple[list[Answered], Received | None]:
    """Return the outcomes that a step gives, and the command that is left without one."""
    due = received or open_one
    if step.answer is not None and due is None:
        raise ContractError(f"{step.answer!r} answers nothing: the instance has no command without an outcome")
    if received is not None and open_one is not None and step.answer is None:
        raise ContractError(f"{open_one.command} is not answered yet: answer {received.command} at once")
    answers = [] if step.answer is None or due is None else [Answered(due, step.answer, key)]
    left = open_one if received is not None and step.answer is not None else None if answers else due
    if step.state is None and left is not None:
        return [*answers, Answered(left, Accepted(), key, by_its_end=True)], None
    return answers, left


def _scheduled(sends: CommandEmission) -> str:
    if sends.scheduled is None:
        name = sends.contract.short
        raise ContractError(f'{name} cannot be sent for later: its contract has to say "schedulable": true')
    return sends.scheduled


def _began(version: ProcessVersion, cause: StepCause, now: int) -> InstanceRecord:
    return InstanceRecord(version=version.number, begun=now, flow=cause.correlation)


def _due(record: InstanceRecord, step: Step[Any], now: int) -> InstanceRecord:
    """Return it with the deadlines that a step has set, without those that it has cleared."""
    if not step.deadlines:
        return record
    due, held = dict(record.due), dict(record.held)
    for each in step.deadlines:
        due.pop(each.name, None)
        held.pop(each.name, None)
        if (at := each.due_ms(now)) is not None:
            due[each.name] = at
    return record if (due, held) == (record.due, record.held) else replace(record, due=due, held=held)


def _is_heard(before: Instance, matched: Matched) -> bool:
    """Whether this outcome was handed over at an operator's request already: then it was not missed, but late."""
    source = matched.source
    if not issubclass(matched.handler.message, Command):
        return False
    command = unprefixed(Headers.of(source).causation_id or "")
    return (
        before.record.heard.get(command) == f"{source.partition}/{source.offset}" and command not in before.record.waits
    )


def _unhandled(matched: Matched, reason: str) -> str:
    return f"the process instance of {place_of(matched.source)} would wait for ever for it: {reason}"


def _cause(matched: Matched) -> StepCause:
    """Return what the commands inherit: id of their cause, id of what started the flow, trace."""
    headers = Headers.of(matched.source)
    name, what = id_of(matched.source, headers), matched.handler.message
    answered = headers.causation_id if issubclass(what, Command) else None
    return StepCause(
        name,
        what.__contract__,
        correlation_of(headers, name),
        matched.traceparent or headers.traceparent,
        None if answered is None else unprefixed(answered),
    )
