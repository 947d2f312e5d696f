"""The commands that a process receives: admitted as an aggregate's are, answered by the step that gives the outcome.

That may be a later one. What the outcome will name stands in the instance's record until then, so that it is entered
once, in the transaction of the step.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

from msgspec.structs import replace

from verbwire.declarations.results import read_step
from verbwire.engine.processors.aggregate import AggregateProcessor
from verbwire.engine.processors.instance_rows import Instance
from verbwire.engine.processors.outcomes import OutcomeBatch, OutcomeEntry
from verbwire.engine.processors.process import Answered, ProcessManagerProcessor, StepCause
from verbwire.engine.processors.received_command import ReceivedCommand
from verbwire.engine.state.partition_cache import PartitionCache
from verbwire.engine.transactions.transaction import Transaction
from verbwire.errors import ContractError
from verbwire.handling.admission import codes_of, not_admitted
from verbwire.handling.contexts import context_of
from verbwire.kafka.record import ConsumedRecord
from verbwire.messages import Accepted, Failed, Outcome, Rejected
from verbwire.observability.watch.tracebacks import summary
from verbwire.wire.partitioner import partition_of
from verbwire.wire.records.process_instances import Received


@dataclass
class ProcessCommandProcessor(AggregateProcessor):
    """Hands commands to the process. Ids, grants, deadlines and permission are dealt with as for an aggregate."""

    lead: ProcessManagerProcessor = field(kw_only=True)
    commands_topic: str = field(kw_only=True)
    partitions: int = field(kw_only=True)

    def _run_handler(self, cache: PartitionCache, command: ReceivedCommand, batch: OutcomeBatch) -> None:
        before = cache.get(command.key)
        assert before is None or isinstance(before, Instance)  # noqa: S101 (what stands beside them makes them so)
        open_one = None if before is None else before.record.received
        if before is not None and open_one is not None and open_one.id == command.name:
            self._ask_again(cache, command, before, open_one, batch)
            return
        if command.key in cache.parked.standing:  # it must not overtake what is parked
            batch.enter(command.entry(Failed(reason="its process instance is parked: an operator has to help")))
            return
        handler = command.handling.handler
        self.watch.spot.handler, self.watch.spot.at = handler, command.record
        try:
            answered = self._step(cache, command, before, batch)
        except BaseException as error:  # noqa: BLE001 (whatever a handler raises, sys.exit() too: the key goes on)
            traceback = self.watch.raised(handler.where, command.record, error)
            self._fail(command.entry, "failed", f"{handler.where} failed: {summary(error)}", batch, traceback)
            return
        self._enter(cache, answered, batch)

    def codes(self) -> dict[str, Sequence[str]]:
        """Return the codes that each command may be rejected with, by its full name."""
        return {each.contract.name: codes_of(each.contract) for each in self.commands.values()}

    def _ask_again(
        self, cache: PartitionCache, command: ReceivedCommand, before: Instance, it: Received, batch: OutcomeBatch
    ) -> None:
        """The same command while it is under way: whoever sent it last is told its outcome."""
        batch.transaction.count("duplicate")
        if command.fingerprint.hex() == it.fingerprint and command.reply_partition is not None:
            received = replace(it, reply=command.reply_partition)
            cache.put(command.key, replace(before, record=replace(before.record, received=received)))

    def _step(
        self, cache: PartitionCache, command: ReceivedCommand, before: Instance | None, batch: OutcomeBatch
    ) -> list[Answered]:
        lead, record, contract = self.lead, command.record, command.handling.contract
        received = self._received(command)
        if refused := not_admitted(contract, command.message, command.sender.actor, command.sender.scopes):
            return [Answered(received, refused, command.key)]
        if partition_of(command.key, self.partitions) != record.partition:
            raise ContractError("its key belongs to another partition: its instance is not here")
        version = lead.newest if before is None else lead.versions.get(before.record.version)
        handler = None if version is None else version.receivers.get(type(command.message))
        if version is None or handler is None:
            raise ContractError(f"{contract.short} is received by no version of {lead.group} that its instance is of")
        context = partial(context_of, record, command.headers)
        returned = handler.call(None if before is None else before.state, command.message, context)
        if isinstance(returned, Rejected):
            return [Answered(received, returned, command.key)]
        step = read_step(returned, version.state, version.sends, version.deadlines)
        cause = StepCause(command.name, contract.name, command.sender.correlation_id, command.sender.traceparent)
        led = lead.led(version, command.key, before, step, cause, received)
        self.require_fit(led.answers)
        if batch.transaction.checks_rows(cache.partition) and led.after is not None:
            lead.encode(command.key, led.after)
        lead.put(cache, command.key, before, led, batch.transaction)
        return led.answers

    def answer(self, cache: PartitionCache, answers: Iterable[Answered], transaction: Transaction) -> None:
        """Enter the outcomes that a step has given to commands that were received before."""
        if found := [*answers]:
            self._enter(cache, found, self.outcome_log.batch(transaction, cache.partition))

    def require_fit(self, answers: Iterable[Answered]) -> None:
        """Raise what is wrong with outcomes, before anything is done about them: it is the handler's fault."""
        for each in answers:
            self.outcome_log.require_fit(self._entry(each), 0)

    def _enter(self, cache: PartitionCache, answers: Iterable[Answered], batch: OutcomeBatch) -> None:
        for each in answers:
            entry = self._entry(each)
            if entry.final:
                cache.mark_decided(entry.command_id, entry.fingerprint)
            batch.enter(entry)

    def _received(self, command: ReceivedCommand) -> Received:
        record, sender, key = command.record, command.sender, command.process_instance_key
        return Received(
            id=command.name,
            command=command.handling.contract.name,
            fingerprint=command.fingerprint.hex(),
            partition=record.partition,
            offset=record.offset,
            reply=command.reply_partition,
            flow=None if sender.correlation_id == command.name else sender.correlation_id,
            traceparent=sender.traceparent,
            process=None if key is None else key.hex(),
        )

    def _entry(self, answered: Answered) -> OutcomeEntry:
        """Return the entry of an outcome; ContractError where it is none that the command's contract knows."""
        it, key = answered.received, answered.key
        outcome, reply = self._checked(answered)
        # How long it is remembered counts from the answer, which may be given weeks after the command.
        record = ConsumedRecord(self.commands_topic, it.partition, it.offset, self.clock.now_ms(), key, None, ())
        return OutcomeEntry(
            *(it.id, it.command, bytes.fromhex(it.fingerprint), record, it.reply, outcome, reply),
            correlation_id=it.flow,
            traceparent=it.traceparent,
            process_instance_key=None if it.process is None else bytes.fromhex(it.process),
        )

    def _checked(self, answered: Answered) -> tuple[Outcome, bytes | None]:
        handling = next(each for each in self.commands.values() if each.contract.name == answered.received.command)
        match answered.outcome:
            case Accepted(reply=None) if answered.by_its_end and handling.reply is not None:
                return Failed(reason="the process ended without the reply that its contract promises"), None
            case Accepted(reply=reply):
                return Accepted(), handling.framed(reply)
            case Rejected(code=code) if code not in (*codes_of(handling.contract),):
                raise ContractError(f"{code!r} is not among the rejections of {handling.contract.name}")
            case outcome:
                return outcome, None
