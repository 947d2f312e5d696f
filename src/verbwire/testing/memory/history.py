"""What has happened in a project in memory, read back from its topics: messages, outcomes, dead letters."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from verbwire.errors import UndecodableError
from verbwire.messages import Message, Outcome
from verbwire.names import scheduler_of
from verbwire.testing.memory.topics import MemoryRecord, MemoryTopics
from verbwire.wire.codec.replies import Replies
from verbwire.wire.codec.topics import Codec
from verbwire.wire.records.dead_letters import read_dead_letter
from verbwire.wire.records.outcomes import OUTCOME, OutcomeRecord

M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True)
class CommandOutcome:
    """What became of one command."""

    command: str  # the full name of its contract
    id: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class LetterInMemory:
    """A record that a group gave up."""

    group: str  # as declared
    topic: str  # where the record was read
    reason: str  # one of few words: undecodable, failed, id-reused, ahead
    detail: str  # for people; where a handler raised, with its traceback


class MemoryHistory:
    """Reads the topics of a project in memory as any reader would."""

    def __init__(self, codec: Codec, topics: MemoryTopics) -> None:
        self._codec = codec
        self._topics = topics
        self._replies = Replies(codec)
        self._lines = codec.topic_decoder("outcomes", OUTCOME.namespace, {OUTCOME.name: OutcomeRecord})

    def messages(self, classes: Sequence[type[M]], topic_of: Callable[[str], str]) -> list[M]:
        """Return the messages of these classes; `topic_of` gives the topic of a namespace."""
        by_namespace = self._by_namespace(classes)
        found: list[tuple[int, Any]] = []
        for namespace, named in by_namespace.items():
            decode = self._codec.topic_decoder(topic_of(namespace), namespace, named).decode
            found += [(each.number, decode(each.value)) for each in self._topics.records(topic_of(namespace))]
        return [message for _, message in sorted(found, key=_number) if message is not None]

    def _by_namespace(self, classes: Sequence[type[Message]]) -> dict[str, dict[str, type[Message]]]:
        if not classes:
            raise TypeError("name the classes of the messages that you look for")
        found: dict[str, dict[str, type[Message]]] = defaultdict(dict)
        for cls in classes:
            found[self._codec.catalog.of(cls).namespace][cls.__contract__] = cls
        return found

    def decoded(
        self, classes: Sequence[type[M]], topic_of: Callable[[str], str], values: Iterable[bytes | None]
    ) -> list[M]:
        """Return which of these values, in their order, are messages of these classes."""
        found: list[Any] = []
        by_namespace = self._by_namespace(classes)
        decoders = [self._codec.topic_decoder(topic_of(name), name, each) for name, each in by_namespace.items()]
        for value in values:
            for decoder in decoders:
                with suppress(UndecodableError):
                    found.append(decoder.decode(value))
        return [each for each in found if each is not None]

    def outcomes(self) -> Iterator[CommandOutcome]:
        """Yield the outcomes of all commands."""
        catalog, names = self._codec.catalog, self._codec.names
        schedulers = map(scheduler_of, catalog.schedulable)
        topics = {names.outcomes(each) for each in (*(contract.namespace for contract in catalog), *schedulers)}
        records: list[MemoryRecord] = [record for topic in topics for record in self._topics.records(topic)]
        for record in sorted(records, key=lambda record: record.number):
            line = self._lines.decode(record.value)
            if isinstance(line, OutcomeRecord) and line.command in catalog.contracts:
                yield CommandOutcome(line.command, line.command_id, self._replies.outcome(line))

    def outcome(self, record: bytes) -> Outcome | None:
        """Return the outcome that a record of an outcome topic holds."""
        line = self._lines.decode(record)
        return self._replies.outcome(line) if isinstance(line, OutcomeRecord) else None

    def dead_letters(self, groups: Iterable[str]) -> Iterator[LetterInMemory]:
        """Yield the dead letters of these groups."""
        names = self._codec.names
        for group in groups:
            for record in self._topics.records(names.dead_letters(names.group(group))):
                dead_letter = read_dead_letter(record.key, record.value, record.headers)
                if dead_letter is not None:
                    yield LetterInMemory(group, dead_letter.original.topic, dead_letter.reason, dead_letter.detail)


def _number(found: tuple[int, Any]) -> int:
    return found[0]
