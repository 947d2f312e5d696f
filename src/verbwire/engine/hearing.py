"""What a record of an input says, to which handler, and under which key it counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from verbwire.declarations.handlers import Handler
from verbwire.engine.dead_letters import legible
from verbwire.engine.plan import Halt
from verbwire.engine.records import Record
from verbwire.errors import UndecodableError
from verbwire.wire.codec import Codec, TopicDecoder
from verbwire.wire.keys import key_bytes
from verbwire.wire.outcomes import OutcomeRecord
from verbwire.wire.replies import Replies
from verbwire.wire.undertakings import CommandIds

Said: TypeAlias = tuple[Any, Handler, bytes]  # the message, who is to hear it, under which key it counts


class Hearing(Protocol):
    """How the records of one topic are read."""

    def hear(self, record: Record, keyed: bool) -> Said | None:
        """Return what the record says, None where that is nothing to this group; UndecodableError for no message.

        `keyed`: the record's key is already the one that it counts under. Halt where that key cannot be told.
        """
        ...


@dataclass
class Events:
    """Events, under their own keys or those that the user's functions say."""

    decoder: TopicDecoder
    handlers: Mapping[Any, Handler]  # class of event -> handler
    keys: Mapping[Any, Callable[[Any], object]]  # class of event -> the key it counts under here

    def hear(self, record: Record, keyed: bool) -> Said | None:
        """Return the event, its handler and its key here."""
        key = record.key
        if not key and not self.keys:
            raise UndecodableError("the record has no key")
        event = self.decoder.decode(record.value)
        if event is None:
            return None
        cls = type(event)
        if not keyed and cls in self.keys:
            key = self._key(record, event)
            if key is None:
                return None
        if not key:
            raise UndecodableError("the record has no key")
        return event, self.handlers[cls], key

    def _key(self, record: Record, event: Any) -> bytes | None:
        try:
            value = self.keys[type(event)](event)
            return None if value is None else key_bytes(value)
        except Exception as error:
            why = f"the key of {type(event).__name__} here: {type(error).__name__}: {error}"
            raise Halt(record, legible(why)) from error


@dataclass
class Outcomes:
    """Outcomes of one process's own commands, under the undertakings that sent them."""

    decoder: TopicDecoder
    replies: Replies
    handlers: Mapping[str, Handler]  # full name of the command -> handler of its outcome
    ids: CommandIds

    def hear(self, record: Record, keyed: bool) -> Said | None:  # noqa: ARG002 (its id tells the key in any case)
        """Return the outcome, its handler and its key; those of others are passed over by a look at their id alone."""
        key = self._key(record)
        line = self.decoder.decode(record.value) if key else None
        if not key or not isinstance(line, OutcomeRecord):
            return None
        handler = self.handlers.get(line.command)
        return None if handler is None else (self.replies.outcome(line), handler, key)

    def _key(self, record: Record) -> bytes | None:
        """The key of the undertaking is part of the command's id."""
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
