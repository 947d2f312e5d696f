"""Reads what operators ask of one group."""

from __future__ import annotations

from verbwire.errors import UndecodableError
from verbwire.wire.codec.topics import Codec
from verbwire.wire.records.requests import REQUEST, RequestRecord


class RequestReader:
    """Reads the requests of one topic."""

    def __init__(self, codec: Codec, topic: str) -> None:
        self._decoder = codec.topic_decoder(topic, REQUEST.namespace, {REQUEST.name: RequestRecord})

    def read(self, value: bytes | None) -> RequestRecord:
        """Return a request; :class:`UndecodableError` for anything else."""
        found = self._decoder.decode(value)
        if not isinstance(found, RequestRecord):
            raise UndecodableError("it is no request")
        return found
