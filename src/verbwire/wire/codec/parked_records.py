"""Reads the records in a log of parked ones: for the group that keeps it, and for operators."""

from __future__ import annotations

from verbwire.errors import UndecodableError
from verbwire.wire.codec.topics import Codec
from verbwire.wire.records.parked import PARKED_RECORD, ParkedRecord


class ParkedRecords:
    """Reads those of one topic."""

    def __init__(self, codec: Codec, topic: str) -> None:
        self._topic = topic
        self._decoder = codec.topic_decoder(topic, PARKED_RECORD.namespace, {PARKED_RECORD.name: ParkedRecord})

    def read(self, value: bytes) -> ParkedRecord:
        """Return a parked record; :class:`UndecodableError` for anything else."""
        found = self._decoder.decode(value)
        if not isinstance(found, ParkedRecord):
            raise UndecodableError(f"{self._topic} holds a record that is not a parked one")
        return found
