"""What a record of an input says, to which handler, and under which key it counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from verbwire.declarations.handlers import Handler
from verbwire.engine.records import Record
from verbwire.errors import UndecodableError
from verbwire.wire.codec import Codec, TopicDecoder
from verbwire.wire.keys import key_bytes
from verbwire.wire.outcomes import OutcomeRecord
from verbwire.wire.replies import Replies
from verbwire.wire.undertakings import CommandIds


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


@dataclass
class Outcomes:
    """Outcomes of one process's own commands, under the undertakings that sent them."""

    decoder: TopicDecoder
    replies: Replies
    handlers: Mapping[str, Handler]  # full name of the command -> handler of its outcome
    ids: CommandIds

    def hear(self, record: Record) -> tuple[Any, Handler] | None:
        """Return the outcome and its handler; those of others are passed over by a look at their id alone."""
        if self.key(record, None) is None:
            return None
        line = self.decoder.decode(record.value)
        handler = self.handlers.get(line.command) if isinstance(line, OutcomeRecord) else None
        return None if handler is None else (self.replies.outcome(line), handler)  # type: ignore[arg-type]

    def key(self, record: Record, message: Any) -> bytes | None:  # noqa: ARG002 (the record's id tells it)
        """Return the key of the undertaking, which is part of the command's id."""
        for name, value in record.headers:
            if name == "ce_causationid":
                return self.ids.key((value or b"").decode(errors="replace"))
        return None


def hear_events(
    codec: Codec, sources: Iterable[str], handlers: Mapping[Any, Handler], keys: Mapping[Any, Callable[[Any], object]]
) -> dict[str, Hearing]:
    """Return, by topic, how the events of these contexts are heard."""
    hearings: dict[str, Hearing] = {}
    for namespace in sources:
        topic = codec.names.events(namespace)
        classes = {cls.__contract__: cls for cls in handlers if cls.__contract__.rpartition(".")[0] == namespace}
        hearings[topic] = Events(codec.topic_decoder(topic, namespace, classes), handlers, keys)
    return hearings
