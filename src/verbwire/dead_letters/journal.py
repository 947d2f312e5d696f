"""What has become of a group's dead letters: requeued or discarded, by the markers behind them in their topic."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from confluent_kafka import Message

from verbwire.dead_letters.letter import DeadLetterPlace
from verbwire.dead_letters.selection import AsOf
from verbwire.wire.records.dead_letters import Discarded, read_discarded, requeued_offset

MOST_ROUNDS = 3
"""So often one record may be requeued and become a dead letter again; then an operator has to insist."""


@dataclass
class Journal:
    """Made by one reading of the topic. It holds nothing of those that nothing was done with: there may be many."""

    requeued: set[DeadLetterPlace] = field(default_factory=set)
    discarded: dict[DeadLetterPlace, Discarded] = field(default_factory=dict)
    _ends: dict[int, int] = field(default_factory=dict)

    def note(self, message: Message) -> None:
        """Take down a record of the topic."""
        partition, headers = message.partition() or 0, message.headers() or ()
        self._ends[partition] = (message.offset() or 0) + 1
        if (offset := requeued_offset(headers)) is not None:
            self.requeued.add(DeadLetterPlace(partition, offset))
        elif (found := read_discarded(headers, message.timestamp()[1])) is not None:
            self.discarded[DeadLetterPlace(partition, found.offset)] = found

    def settled(self, place: DeadLetterPlace) -> bool:
        """Whether something was done with it."""
        return place in self.requeued or place in self.discarded

    def why_left(self, places: Collection[DeadLetterPlace], again: bool) -> list[str]:
        """Return why some of these places are left alone, one line each."""
        discarded = [f"{each}: discarded by {self.discarded[each].actor}" for each in places if each in self.discarded]
        requeued = [f"{each}: requeued already, --again does it once more" for each in places if each in self.requeued]
        return [*discarded, *([] if again else requeued)]

    @property
    def as_of(self) -> AsOf:
        """How far the topic was read."""
        return AsOf(dict(self._ends))
