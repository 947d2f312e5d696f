"""Tracks the records in flight of one assigned partition."""

from __future__ import annotations

_OVERHEAD = 500  # bytes that a record takes here beside its own: an estimate, for the bound on memory


class PartitionInFlight:
    """The open records of one partition. Not thread-safe: the lock of its `KeyedWorkQueue` guards it.

    The lowest open offset is committed: the next owner would skip it if a later, finished one were. So after a crash
    some finished records are handled again, and none is lost.
    """

    def __init__(self, topic: str, partition: int) -> None:
        self.topic = topic
        self.partition = partition
        self.stopping = False  # revoked: handlers should finish soon; read by any thread
        self.committed: int | None = None  # sent to the broker; None where that is not known
        self.bytes = 0
        self._open: dict[int, int] = {}  # offset -> bytes, in the order of the log
        self._next: int | None = None

    @property
    def records(self) -> int:
        """How many records are in flight."""
        return len(self._open)

    def open(self, offset: int, size: int) -> None:
        """Begin with a record; they come in the order of their offsets."""
        self._open[offset] = size + _OVERHEAD
        self.bytes += size + _OVERHEAD
        self._next = offset + 1

    def close(self, offset: int) -> None:
        """Note that a record is done."""
        self.bytes -= self._open.pop(offset, 0)

    def committable(self) -> int | None:
        """Return the offset from which another worker would have to go on; None while there was no record at all."""
        return next(iter(self._open), self._next)
