"""One dead letter and its place in its group's topic."""

from __future__ import annotations

from dataclasses import dataclass

from verbwire.errors import ConfigurationError, UndecodableError
from verbwire.kafka.record import place_of
from verbwire.wire.headers import Headers
from verbwire.wire.records.dead_letters import DeadLetterRecord


@dataclass(frozen=True)
class DeadLetterPlace:
    """The place of a dead letter in its group's topic of dead letters."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}/{self.offset}"

    @classmethod
    def of(cls, text: str) -> DeadLetterPlace:
        """Return the place that an operator wrote, as the list shows it."""
        partition, _, offset = text.partition("/")
        if not all(each.isascii() and each.isdigit() for each in (partition, offset)):
            raise ConfigurationError(f"{text!r} is no place of a dead letter: write partition/offset, like 0/12")
        return cls(int(partition), int(offset))


@dataclass(frozen=True)
class DeadLetter:
    """A dead letter and its place."""

    group: str  # as declared
    place: DeadLetterPlace
    since: int  # when it became one, milliseconds
    record: DeadLetterRecord

    @property
    def type(self) -> str:
        """The full name of its contract, as its sender named it."""
        return self._header("ce_type")

    @property
    def id(self) -> str:
        """The message's id, as its sender gave it."""
        return self._header("ce_id")

    @property
    def origin(self) -> str:
        """Where the record lay, topic/partition/offset."""
        return place_of(self.record.original)

    @property
    def identity(self) -> str:
        """Which message it is, wherever its record lies: one that was requeued, and came back, is the same."""
        return f"{self.type}/{self.id}" if self.id else self.origin

    def _header(self, name: str) -> str:
        try:
            return Headers(self.record.original.headers).text(name) or ""
        except UndecodableError:
            return "?"
