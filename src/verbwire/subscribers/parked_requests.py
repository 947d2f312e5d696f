"""Does what operators ask about parked records of a subscriber: has them tried again, or the first one given up.

A request is a task in the queue of its key, so nothing of the key is handled meanwhile. Its offset is committed once it
is done: after a crash it is begun again, where the log says that it was. Each record is handled at least once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from verbwire.engine.transactions.failpoints import hit
from verbwire.errors import UnavailableError, UndecodableError
from verbwire.kafka.record import place_of
from verbwire.subscribers.key_queues import QueuedRecord
from verbwire.subscribers.parking import OBSTACLES, SubscriberParking
from verbwire.subscribers.results import Done, Raised, Result, Unavailable
from verbwire.wire.records.parked import ParkedRecord
from verbwire.wire.records.requests import RETRY, SKIP, RequestRecord, asked, who_skips

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ParkedRequests:
    """The requests of one group. `again` attempts a parked record, `dead_letter` gives one up."""

    parking: SubscriberParking
    again: Callable[[QueuedRecord], Result]
    dead_letter: Callable[[QueuedRecord, str, str], Result]

    def attempt(self, task: QueuedRecord) -> Result:
        """Do what one request asks for."""
        group = self.parking.plan.group
        try:
            request = self.parking.requests.read(task.record.value)
        except UndecodableError as error:
            return self.dead_letter(task, "undecodable", str(error))
        except UnavailableError as error:
            return Unavailable.of(error)
        if request.kind not in (RETRY, SKIP):
            detail = f"{group} knows no request {request.kind!r}: {RETRY}, {SKIP}"
            return self.dead_letter(task, "unknown-request", detail)
        log.warning("%s: %s", group, asked(request, f"key {_shown(request.key)}"))
        try:
            return self._do(task, request)
        except OBSTACLES as error:
            return Unavailable.of(error)

    def _do(self, task: QueuedRecord, request: RequestRecord) -> Result:
        """Handle the records of a key in order, until one cannot be.

        One that is to be skipped is let go of last: should we be killed, what is behind it is still asked for.
        """
        partition, skipped = task.in_flight.partition, None
        for number, parked in self.parking.records(partition, request.key):
            if request.kind == SKIP and skipped is None:
                if place_of(parked.original) != request.place:
                    return Done()  # it is not the first any more
                result = self.dead_letter(_task(task, parked), "skipped", who_skips(request))
                skipped = number
            else:
                result = self._handle(task, request, number, parked)
            if isinstance(result, Raised):
                break
            if isinstance(result, Unavailable):
                return result
        if skipped is not None:
            self.parking.remove(partition, request.key, skipped)
        return Done()

    def _handle(self, task: QueuedRecord, request: RequestRecord, number: int, parked: ParkedRecord) -> Result:
        """Handle one record again: it is parked no more, or stays, with why."""
        partition, key = task.in_flight.partition, request.key
        if task.in_flight.stopping:
            return Unavailable("its partition is taken away")
        if parked.request == request.id:
            return Raised(parked.reason, parked.detail)  # by this request, before we were killed
        result = self.again(_task(task, parked))
        if isinstance(result, Raised):
            self.parking.remain(partition, key, number, parked, result, request.id)
            self.parking.told(_task(task, parked), result)
            where = place_of(parked.original)
            log.error("%s: %s is still parked, at %s: %s", self.parking.plan.group, _shown(key), where, result.detail)
        elif isinstance(result, Done):
            hit("after-again")
            self.parking.remove(partition, key, number)
        return result


def _shown(key: bytes) -> str:
    """Return a key as a log may have it: namespace and key as text, nothing in it that steers a terminal."""
    return ascii(key[:80].decode(errors="backslashreplace"))


def _task(request: QueuedRecord, parked: ParkedRecord) -> QueuedRecord:
    """Return a parked record as a record in flight, in the place of the request because of which it is tried."""
    return QueuedRecord(parked.original, request.offset, request.in_flight, failures=parked.attempts)
