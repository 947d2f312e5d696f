"""Tracks the records in flight of one assigned partition."""

from __future__ import annotations

from collections.abc import Callable

from verbwire.kafka.progress import InputProgress

_OVERHEAD = 500  # bytes that a record takes here beside its own: an estimate, for the bound on memory


class PartitionInFlight:
    """The open records of one partition. Not thread-safe: the lock of its `KeyedWorkQueue` guards it.

    The lowest open offset is committed: the next owner would skip it if a later, finished one were. So after a crash
    some finished records are handled again, and none is lost.
    """

    def __init__(self, topic: str, partition: int, membership: Callable[[], bytes] = bytes) -> None:
        self.topic = topic
        self.partition = partition
        self.membership = membership  # proves to the broker that we are in the group; empty: we are not
        self.stopping = False  # revoked: handlers should finish soon; read by any thread
        self.abandoned = False  # another worker may have it: what still runs counts for nothing; read by any thread
        self.recalled: set[int] = set()  # the partitions whose outcomes were read since it was assigned
        self.blocked: str | None = None  # why none of its records may be handled, None: not known; read by any thread
        self.committed: int | None = None  # sent to the broker; None where that is not known
        self.bytes = 0
        self._open: dict[int, tuple[int, int | None]] = {}  # offset -> bytes, timestamp; in the order of the log
        self._next: int | None = None
        self._read: int | None = None  # up to where the log has been read, marks of transactions included
        self._timestamp: int | None = None  # of the record read last

    @property
    def records(self) -> int:
        """How many records are in flight."""
        return len(self._open)

    def open(self, offset: int, size: int, timestamp: int | None) -> None:
        """Begin with a record; they come in the order of their offsets. The timestamp is in milliseconds."""
        self._open[offset] = size + _OVERHEAD, timestamp
        self.bytes += size + _OVERHEAD
        self._next = self._read = offset + 1
        self._timestamp = timestamp

    def reached(self, end: int) -> None:
        """Note that everything below this end has been read."""
        self._read = end

    def close(self, offset: int) -> None:
        """Note that a record is done."""
        self.bytes -= self._open.pop(offset, (0, None))[0]

    def committable(self) -> int | None:
        """Return the offset from which another worker would have to go on; None while there was no record at all."""
        return next(iter(self._open), self._next)

    def committable_without(self, offset: int) -> int:
        """Return the same as if the record at this offset were done. From any thread: the offset may be outdated."""
        return next((each for each in list(self._open) if each != offset), self._next or 0)

    def progress(self) -> InputProgress:
        """Return how far it is handled."""
        oldest = next(iter(self._open.values()), (0, self._timestamp))[1]
        return InputProgress(self.topic, self.partition, next(iter(self._open), self._read), oldest)
