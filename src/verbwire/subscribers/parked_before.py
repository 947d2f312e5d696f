"""What a subscriber has parked, and that does not park any more: nothing behind it is handled before it is seen to.

By the declaration alone nobody would know of those records again, and later ones of their keys would overtake them. So
a partition of which some are left waits, and says why, until the declaration has its parking back and they are retried
or skipped.
"""

from __future__ import annotations

import logging
import threading

from verbwire.declarations.parking import PARKS_NO_MORE
from verbwire.errors import ClosedError, UnavailableError, UndecodableError
from verbwire.subscribers.key_queues import QueuedRecord
from verbwire.subscribers.parked_log import ParkedLog
from verbwire.subscribers.results import Unavailable
from verbwire.wire.records.parked import read_parked_key

log = logging.getLogger(__name__)

NOTHING = ""


class ParkedBefore:
    """The log of a group that parked once. Safe to call from any thread."""

    def __init__(self, group: str, written: ParkedLog) -> None:
        self._group, self._log = group, written
        self._lock = threading.Lock()

    def hold(self, task: QueuedRecord) -> Unavailable | None:
        """Return why a record has to wait; None where nothing of its partition is parked.

        The log is read once for each assignment: who has the partition is the only one that could write to it.
        """
        in_flight = task.in_flight
        if in_flight.blocked is None:
            with self._lock:
                if in_flight.blocked is None:
                    try:
                        in_flight.blocked = self._why(in_flight.partition)
                    except (ClosedError, UnavailableError, UndecodableError) as error:
                        return Unavailable.of(error)
        return Unavailable("what was parked before is not seen to") if in_flight.blocked else None

    def _why(self, partition: int) -> str:
        left: set[tuple[bytes, int]] = set()
        for each in self._log.read(partition):
            place = read_parked_key(each.key)
            if each.value is None:
                left.discard(place)
            else:
                left.add(place)
        if not left:
            return NOTHING
        keys = len({key for key, _ in left})
        why = f"{keys} keys of partition {partition} are {PARKS_NO_MORE}"
        log.error("%s: nothing of partition %d is handled: %s", self._group, partition, why)
        return why
