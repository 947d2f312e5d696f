"""What a record of an input says, to which handler, and under which key it counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from verbwire.declarations.handlers import Handler
from verbwire.engine.records import Record
from verbwire.errors import UndecodableError
from verbwire.wire.codec import TopicDecoder
from verbwire.wire.keys import key_bytes


class Hearing(Protocol):
    """How the records of one topic are read."""

    def hear(self, record: Record) -> tuple[Any, Handler] | None:
        """Return what the record says and who is to hear it, None where nobody is; UndecodableError for no message."""
        ...

    def key(self, record: Record, message: Any) -> bytes | None:
        """Return the key under which it counts, None where it does not; raises what the user's function raises."""
        ...


@dataclass
class Events:
    """Events, under their own keys or those that the user's functions say."""

    decoder: TopicDecoder
    handlers: Mapping[Any, Handler]  # class of event -> handler
    keys: Mapping[Any, Callable[[Any], object]]  # class of event -> the key it counts under here

    def hear(self, record: Record) -> tuple[Any, Handler] | None:
        """Return the event and its handler."""
        if not record.key and not self.keys:
            raise UndecodableError("the record has no key")
        event = self.decoder.decode(record.value)
        return None if event is None else (event, self.handlers[type(event)])

    def key(self, record: Record, message: Any) -> bytes | None:
        """Return the event's key here; UndecodableError where it has none and needs it."""
        function = self.keys.get(type(message))
        if function is not None:
            value = function(message)
            return None if value is None else key_bytes(value)
        if not record.key:
            raise UndecodableError("the record has no key")
        return record.key
