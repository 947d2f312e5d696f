"""Reads the records of inputs: the message, its handler, and the key under which it counts."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from verbwire.declarations.context import Context
from verbwire.declarations.handlers import Handler
from verbwire.engine.topology import StopPartition
from verbwire.errors import UndecodableError
from verbwire.handling.contexts import context_of, outcome_context_of
from verbwire.kafka.record import Record
from verbwire.messages import Command
from verbwire.observability.watch.tracebacks import summary
from verbwire.wire.codec.replies import Replies
from verbwire.wire.codec.topics import Codec, TopicDecoder
from verbwire.wire.grants.policy import is_forgery
from verbwire.wire.headers import PROCESS_INSTANCE_HEADER
from verbwire.wire.keys import key_bytes
from verbwire.wire.process_command_ids import CommandId, CommandIds
from verbwire.wire.records.outcomes import OutcomeRecord, OutcomeStatus

log = logging.getLogger(__name__)

Input: TypeAlias = tuple[Any, Handler, bytes]  # the message, its handler, the key under which it counts

NO_HANDLER = Handler(lambda *_: None, Command, False)
"""Stands in for a handler that is missing; the message is then the reason, as text."""


UNREAD: Any = object()
"""In the place of a message that is still to be decoded."""


class InputReader(Protocol):
    """Reads the records of one topic."""

    def decode_all(self, records: Sequence[Record]) -> Iterable[Any]:
        """Return for each record what :meth:`read` may be given as `decoded`: a batch costs less than its records."""
        ...

    def read(self, record: Record, keyed: bool, decoded: Any = UNREAD) -> Input | None:
        """Return what a record holds, None where this group has no handler for it; UndecodableError for no message.

        `keyed`: the record's key is already the one that it counts under. StopPartition where that key is not known.
        """
        ...

    def context(self, record: Record) -> Context:
        """Return the context of the record for handlers that want one; UndecodableError as above."""
        ...


@dataclass
class EventInput:
    """Events, under their own keys or those that the user's functions say."""

    decoder: TopicDecoder
    handlers: Mapping[Any, Handler]  # class of event -> handler
    keys: Mapping[Any, Callable[[Any], object]]  # class of event -> the key it counts under here

    def decode_all(self, records: Sequence[Record]) -> Iterable[Any]:
        """Return the events, or why they are none."""
        return self.decoder.decode_all([record.value for record in records])

    def read(self, record: Record, keyed: bool, decoded: Any = UNREAD) -> Input | None:
        """Return the event, its handler and its key here."""
        key = record.key
        if not key and not self.keys:
            raise UndecodableError("the record has no key")
        event = self.decoder.decode(record.value) if decoded is UNREAD else decoded
        if event is None:
            return None
        if isinstance(event, UndecodableError):
            raise event
        cls = type(event)
        if not keyed and cls in self.keys:
            key = self._key(record, event)
            if key is None:
                return None
        if not key:
            raise UndecodableError("the record has no key")
        return event, self.handlers[cls], key

    def context(self, record: Record) -> Context:
        """Return the facts of an event."""
        return context_of(record)

    def _key(self, record: Record, event: Any) -> bytes | None:
        try:
            value = self.keys[type(event)](event)
            return None if value is None else key_bytes(value)
        except BaseException as error:
            raise StopPartition(record, f"the key of {type(event).__name__} here: {summary(error)}") from error


@dataclass
class OutcomeInput:
    """Outcomes of one process's own commands, under the keys of the instances that sent them."""

    decoder: TopicDecoder
    replies: Replies
    handlers: Mapping[str, Handler]  # full name of the command -> handler of its outcome
    ignored: frozenset[str]  # full names of commands whose outcomes are passed over
    ids: CommandIds
    signed: frozenset[str] = frozenset()  # full names of those of its commands that carry grants
    silent: frozenset[str] = frozenset()  # full names of those that promise none: of them it hears what was not done

    def decode_all(self, records: Sequence[Record]) -> Iterable[Any]:
        """Decode none: most outcomes are others'."""
        return [UNREAD] * len(records)

    def read(self, record: Record, keyed: bool, decoded: Any = UNREAD) -> Input | None:  # noqa: ARG002 (its id tells)
        """Return the outcome, its handler and its key; those of others are passed over by a look at their id alone.

        One of ours that cannot be read, or has no handler and is not to be ignored, comes with :data:`NO_HANDLER`.
        StopPartition where it is not known to which instance it belongs.
        """
        found = self._command(record)
        if found is None:
            return None
        try:
            key = self.ids.key(found, _header(record, PROCESS_INSTANCE_HEADER))
        except UndecodableError as error:
            raise StopPartition(record, f"an outcome whose process instance is not known: {error}") from None
        try:
            return self._outcome(record, key)
        except UndecodableError as error:
            return f"the outcome cannot be read: {error}", NO_HANDLER, key

    def _outcome(self, record: Record, key: bytes) -> Input | None:
        line = self.decoder.decode(record.value)
        if not isinstance(line, OutcomeRecord):
            raise UndecodableError("it is no outcome")
        if line.command in self.ignored or (line.command in self.silent and line.status is OutcomeStatus.ACCEPTED):
            return None
        if line.command in self.signed and is_forgery(line):
            log.warning(
                "%s/%d/%d: %s was refused, its grant was %s: this process signs its commands, so another client "
                "has sent it under its id; unless grant_secrets here and at its receiver differ",
                *(record.topic, record.partition, record.offset, line.command_id, line.details["grant"]),
            )
            return None
        handler = self.handlers.get(line.command)
        return (_unhandled(line), NO_HANDLER, key) if handler is None else (self.replies.outcome(line), handler, key)

    def context(self, record: Record) -> Context:
        """Return the facts of an outcome, and which command it answers."""
        found = self._command(record)
        return outcome_context_of(record, found and found.tag)

    def _command(self, record: Record) -> CommandId | None:
        cause = _header(record, "ce_causationid")
        return None if cause is None else self.ids.read(cause.decode(errors="replace"))


def _unhandled(line: OutcomeRecord) -> str:
    return (
        f"no handler for the outcome of {line.command} ({line.status}): add one with @outcome_of, or say "
        f"ignores=[{line.command.rpartition('.')[2]}] where it does not matter"
    )


def _header(record: Record, wanted: str) -> bytes | None:
    """A header by its name alone: most records here are others', and not worth more."""
    for name, value in record.headers:
        if name == wanted:
            return value
    return None


def event_readers(
    codec: Codec, sources: Iterable[str], handlers: Mapping[Any, Handler], keys: Mapping[Any, Callable[[Any], object]]
) -> dict[str, InputReader]:
    """Return, by topic, the readers of the events of these contexts."""
    input_readers: dict[str, InputReader] = {}
    for namespace in sources:
        topic = codec.names.events(namespace)
        classes = {cls.__contract__: cls for cls in handlers if cls.__contract__.rpartition(".")[0] == namespace}
        input_readers[topic] = EventInput(codec.topic_decoder(topic, namespace, classes), handlers, keys)
    return input_readers
