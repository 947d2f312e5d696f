"""The outcomes of a job's commands: one for each, in the outcome log before the command counts as done.

A job has no state and no transaction around its work, but the same rules as an aggregate: an id that is decided for
good is not done again, and what it came to is told again; another payload under it is refused; so is what has no grant
or no permission, and what has expired is not done. Commands whose contract says ``"response": "none"`` have a line
where they were *not* done: whoever sent them may have to know.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from verbwire.engine.processors.outcomes import OutcomeEntry, OutcomeLog
from verbwire.engine.processors.received_command import CommandSender, ReceivedCommand, ReceivedRecord
from verbwire.engine.processors.reply_notifier import ReplyNotifier
from verbwire.engine.transactions.record_limits import RecordLimits
from verbwire.errors import ContractError, UnavailableError
from verbwire.handling.admission import not_admitted
from verbwire.handling.dispatch import CommandHandling
from verbwire.kafka.broker_clock import BrokerClock
from verbwire.messages import ID_REUSED, Accepted, Expired, Message, Outcome, Rejected, Reply
from verbwire.observability.metrics.effects import EffectMetrics
from verbwire.subscribers.decided import DecidedCommands, KnownOutcome
from verbwire.subscribers.key_queues import QueuedRecord
from verbwire.subscribers.outcome_writer import OutcomeWriter
from verbwire.subscribers.plan import SubscriberPlan
from verbwire.wire.codec.topics import Codec
from verbwire.wire.headers import HeaderTemplate
from verbwire.wire.records.outcomes import OUTCOME, OutcomeRecord

log = logging.getLogger(__name__)

MayBury = Callable[[QueuedRecord, str, str], None]
"""Writes a record to the dead letters: the record, the reason in one word, the detail."""


@dataclass(frozen=True)
class JobOutcomes:
    """Decides what needs no handler, and enters outcomes. Safe to call from any thread."""

    group: str
    outcome_log: OutcomeLog
    writer: OutcomeWriter
    decided: DecidedCommands
    clock: BrokerClock
    metrics: EffectMetrics
    silent: frozenset[str]  # full names of the commands that promise no outcome

    # -- before the handler

    def settle(self, task: QueuedRecord, command: ReceivedCommand, bury: MayBury) -> bool:
        """Settle a command that is decided, has no good grant, is too late, or not permitted; False for all others.

        UnavailableError where that cannot be known, or not be written, just now.
        """
        known = self._known(task, command.name)
        if known is not None and self._is_of(task, known):
            return self._repeat(command, known)
        if refused := self._ungranted(task, command):
            # Before its id is looked up: another client may have sent that command, and waits for its outcome.
            return self._refuse(command, refused) if _is_final(known) else self._enter(task, command, refused)
        if known is not None and known.fingerprint:
            return self._settle_known(task, command, known, bury)
        if command.expiry is not None and not task.requeued and self.clock.now_ms() > command.expiry:
            log.warning("%s: %s has expired, it is not carried out", self.group, command.name)
            return self._enter(task, command, Expired())
        sender = command.sender
        if refused := not_admitted(command.handling.contract, command.message, sender.actor, sender.scopes):
            log.warning("%s: %s of %s was refused: %s", self.group, command.name, sender.actor, refused.reason)
            return self._enter(task, command, refused)
        return False

    def is_decided(self, task: QueuedRecord) -> bool:
        """Whether a record that cannot be read has its outcome already, or its id has one for good."""
        known = self._known(task, ReceivedRecord(task.record).name)
        return known is not None and (bool(known.fingerprint) or self._is_of(task, known))

    # -- behind it

    def require_fit(self, entry: OutcomeEntry) -> None:
        """Raise UnencodableError where an outcome cannot be written: its reply, or its texts, are the handler's."""
        self.outcome_log.require_fit(entry, 0)

    def enter(self, task: QueuedRecord, entry: OutcomeEntry) -> None:
        """Write an outcome, and tell who waits for it. UnavailableError: try again, it may have been written."""
        if not (entry.command in self.silent and isinstance(entry.outcome, Accepted)):
            value = self.outcome_log.encode(entry)
            before = self._written_before(task, entry, value)
            if before is None:
                self._write(task, entry, value)
            self._tell(entry.reply_partition, entry.command_id, before or value)
        self.metrics.outcome(*entry.counted()[1:])

    # -- inside

    def _written_before(self, task: QueuedRecord, entry: OutcomeEntry, value: bytes) -> bytes | None:
        """Return the line that a record has already, where the last attempt to write one may have succeeded."""
        if entry.record.partition in task.in_flight.recalled:
            return None
        known = self._known(task, entry.command_id)
        return known.line if known is not None and (known.line == value or self._is_of(task, known)) else None

    def _write(self, task: QueuedRecord, entry: OutcomeEntry, value: bytes) -> None:
        partition, (key, headers) = entry.record.partition, self.outcome_log.record(entry, value)
        try:
            self.writer.write(task.in_flight, task.offset, partition, (key, value, headers))
        except UnavailableError:
            task.in_flight.recalled.discard(partition)
            raise
        self.decided.note(entry.line(""), value)

    def _known(self, task: QueuedRecord, name: str) -> KnownOutcome | None:
        return self.decided.of(task.in_flight, task.record.partition, name)

    @staticmethod
    def _is_of(task: QueuedRecord, known: KnownOutcome) -> bool:
        """Whether it is the outcome of this very record; one that was requeued is to have another."""
        return known.place == task.record.offset and not (task.requeued and not known.fingerprint)

    def _ungranted(self, task: QueuedRecord, command: ReceivedCommand) -> Rejected | None:
        check = command.handling.check
        if check is None:
            return None
        refused = check.refusal(command.headers, command.name, task.record, task.record.is_stamped)
        if refused is not None:
            log.warning("%s: %s was refused: %s", self.group, command.name, refused.reason)
        return refused

    def _settle_known(self, task: QueuedRecord, command: ReceivedCommand, known: KnownOutcome, bury: MayBury) -> bool:
        if known.fingerprint == command.fingerprint:
            self.metrics.duplicates(1)
            return self._repeat(command, known)
        detail = f"{command.name} named another payload"
        bury(task, "id-reused", detail)
        return self._refuse(command, Rejected(ID_REUSED, detail))

    def _enter(self, task: QueuedRecord, command: ReceivedCommand, outcome: Outcome) -> bool:
        task.decided = command.entry(outcome)
        self.enter(task, task.decided)
        return True

    def _refuse(self, command: ReceivedCommand, refused: Rejected) -> bool:
        """Tell the client only: the outcome log already holds this id's outcome."""
        entry = command.entry(refused)
        self.metrics.outcome(*entry.counted()[1:])
        self._tell(command.reply_partition, command.name, self.outcome_log.encode(entry))
        return True

    def _repeat(self, command: ReceivedCommand, known: KnownOutcome) -> bool:
        self._tell(command.reply_partition, command.name, known.line)
        return True

    def _tell(self, reply_partition: int | None, name: str, value: bytes) -> None:
        if reply_partition is not None:
            self.outcome_log.notifier.send([(reply_partition, name, value)])


def job_outcomes(
    plan: SubscriberPlan,
    codec: Codec,
    writer: OutcomeWriter,
    limits: RecordLimits,
    notifier: ReplyNotifier,
    clock: BrokerClock,
    metrics: EffectMetrics,
) -> JobOutcomes:
    """Return the outcomes of a job, in the log that `writer` writes and reads."""
    encoder, headers = codec.encoder(OUTCOME), HeaderTemplate(OUTCOME, plan.group)
    decoder = codec.topic_decoder(plan.outcomes, OUTCOME.namespace, {OUTCOME.name: OutcomeRecord})
    return JobOutcomes(
        group=plan.group,
        outcome_log=OutcomeLog(plan.outcomes, "", encoder, headers, notifier, limits),
        writer=writer,
        decided=DecidedCommands(writer.lines, decoder, clock.now_ms),
        clock=clock,
        metrics=metrics,
        silent=plan.silent,
    )


def received(
    record: ReceivedRecord, message: Message, handling: CommandHandling, fingerprint: bytes
) -> ReceivedCommand:
    """Return a job's command as it was received; UndecodableError where its headers cannot be read."""
    headers, name, raw = record.headers, record.name, record.record
    sender = CommandSender(headers.started_by or name, headers.actor, headers.scopes, headers.traceparent)
    answered = handling.contract.response != "none"
    return ReceivedCommand(
        *(raw, raw.key or b"", headers, name, message, handling, fingerprint, sender),
        *(headers.expiry(raw.timestamp), headers.reply_partition if answered else None),
        headers.process_instance_key,
    )


def outcome_of(returned: object, handling: CommandHandling) -> tuple[Outcome, bytes | None]:
    """Return what a handler's result says, and the reply's record; ContractError where it is none of a job's."""
    if isinstance(returned, Rejected):
        if returned.code not in handling.contract.rejections:
            raise ContractError(f"{returned.code!r} is not among the rejections of {handling.contract.name}")
        return returned, None
    if returned is None or isinstance(returned, Reply):
        return Accepted(), handling.framed(returned)
    raise ContractError(
        f"returned {type(returned).__name__}: a job returns nothing, the reply that the contract names, or Rejected; "
        "messages are sent by context.send or .publish"
    )


def _is_final(known: KnownOutcome | None) -> bool:
    return known is not None and bool(known.fingerprint)
