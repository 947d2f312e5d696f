"""What operators ask of process instances: send again what is waited for, hear an outcome that was missed, cancel.

Each is a request in the group's own topic, dealt with once. What does not fit any more changes nothing and is logged: a
command that was answered meanwhile, an instance that is over. What a handler raises stands in the instance's record.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from msgspec.structs import replace

from verbwire.declarations.results import read_step
from verbwire.engine.processors.instance_rows import Instance
from verbwire.engine.processors.process import Answered, ProcessManagerProcessor, StepCause
from verbwire.engine.processors.requests import Heed
from verbwire.engine.processors.table import Matched
from verbwire.engine.state.partition_cache import PartitionCache
from verbwire.engine.topology import StopPartition
from verbwire.engine.transactions.dead_letters import legible
from verbwire.engine.transactions.transaction import Transaction
from verbwire.errors import UndecodableError
from verbwire.messages import Failed
from verbwire.observability.watch.tracebacks import summary
from verbwire.wire.headers import Headers
from verbwire.wire.process_command_ids import unprefixed
from verbwire.wire.records.instance_requests import CANCEL, HEAR, SEND_AGAIN, read_carried
from verbwire.wire.records.requests import RequestRecord

_log = logging.getLogger(__name__)
Do = Callable[[PartitionCache, Instance, RequestRecord, Transaction], None]


@dataclass(frozen=True)
class InstanceRequests:
    """Does it, for the instances of one process."""

    lead: ProcessManagerProcessor

    def kinds(self) -> dict[str, Heed]:
        """Return who does which kind."""
        return {
            CANCEL: self._heed(self._cancel),
            SEND_AGAIN: self._heed(self._send_again),
            HEAR: self._heed(self._hear),
        }

    def _heed(self, do: Do) -> Heed:
        def heed(cache: PartitionCache, request: RequestRecord, transaction: Transaction) -> None:
            instance = cache.get(request.key) if request.key else None
            if not isinstance(instance, Instance):
                self._tell(request, "there is no such instance, or none any more")
                return
            try:
                do(cache, instance, request, transaction)
            except UndecodableError as error:
                self._tell(request, str(error))
            except BaseException as error:  # noqa: BLE001 (sys.exit(), too: the next worker would meet it again)
                reason = error.reason if isinstance(error, StopPartition) else summary(error)
                self._tell(request, reason)
                trouble = legible(f"{request.kind}: {reason}")
                cache.put(request.key, replace(instance, record=replace(instance.record, trouble=trouble)))

        return heed

    def _cancel(
        self, cache: PartitionCache, instance: Instance, request: RequestRecord, transaction: Transaction
    ) -> None:
        lead, version = self.lead, self.lead.versions.get(instance.record.version)
        handler = None if version is None else version.undoing
        if version is None or handler is None:
            waited = ", ".join(each.command for each in instance.record.waits.values()) or "nothing"
            self._tell(request, f"it is over; what it was waiting for: {waited}")
            self._end(cache, instance, request, transaction)
            return
        spot = lead.watch.spot
        spot.handler, spot.at = handler, f"the request {request.id}"
        try:
            returned = handler.function(instance.state, request.why)
            step = read_step(returned, version.state, version.sends, version.deadlines)
            cause = StepCause(request.id, "cancelled", instance.record.flow, None)
            led = lead.led(version, request.key, replace(instance, record=instance.record.free()), step, cause)
            if led.after is not None:
                lead.encode(request.key, led.after)
            if lead.answers is not None:
                lead.answers.require_fit(led.answers)
        except BaseException as error:
            lead.watch.raised(handler.where, f"the request {request.id}", error)
            raise
        lead.take(cache, request.key, instance, led, transaction)

    def _end(self, cache: PartitionCache, instance: Instance, request: RequestRecord, transaction: Transaction) -> None:
        """End it without its handlers; whoever waits for an outcome from it is told that it was cancelled."""
        cache.put(request.key, None)
        received = instance.record.received
        if received is not None and self.lead.answers is not None:
            cancelled = Failed(reason=f"cancelled by an operator: {request.why}"[:500])
            self.lead.answers.answer(cache, [Answered(received, cancelled, request.key)], transaction)

    def _send_again(
        self, _: PartitionCache, instance: Instance, request: RequestRecord, transaction: Transaction
    ) -> None:
        record = read_carried(request.details)
        id = Headers(record.headers).command_id or ""
        if self.lead.key_of_command(id, record) != request.key:
            raise UndecodableError(f"{id} is no command of this instance")
        if unprefixed(id) not in instance.record.waits:
            self._tell(request, f"{id} is not waited for any more")
            return
        targets = {each.topic: each.partitions for each in self.lead.sends.values()}
        if not 0 <= record.partition < targets.get(record.topic, 0):
            raise UndecodableError(f"this process sends nothing to {record.topic}/{record.partition}")
        transaction.produce(record.topic, record.partition, record.key, record.value, record.headers)

    def _hear(
        self, cache: PartitionCache, instance: Instance, request: RequestRecord, transaction: Transaction
    ) -> None:
        record = read_carried(request.details)
        command = unprefixed(Headers(record.headers).causation_id or "")
        reader = self.lead.input_readers.get(record.topic)
        if command not in instance.record.waits or reader is None:
            self._tell(request, "its outcome is not waited for any more")
            return
        if request.key in cache.parked.standing:
            raise UndecodableError("it would overtake what is parked of its instance: have that handled first")
        found = reader.read(record, True)
        if found is None or found[2] != request.key:
            raise UndecodableError("it is no outcome of a command of this instance")
        message, handler, key = found
        cache.put(
            key, replace(instance, record=instance.record.hearing(command, f"{record.partition}/{record.offset}"))
        )
        try:
            self.lead.apply(cache, Matched(record, record, message, handler, key, None), transaction)
        except BaseException:
            cache.put(key, instance)
            raise

    def _tell(self, request: RequestRecord, what: str) -> None:
        _log.warning("%s: %s asked by %.200r for %r: %s", self.lead.group, request.kind, request.who, request.key, what)
