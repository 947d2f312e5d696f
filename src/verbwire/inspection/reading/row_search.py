"""Finds the rows that records led to: what a changelog holds of their keys, as of the transaction that read them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from confluent_kafka import Message

from verbwire.engine.processors.repartition import SOURCE_HEADER
from verbwire.inspection.reading.cluster import TP, OpenCluster
from verbwire.kafka.broker_clock import CLOCKS_APART
from verbwire.kafka.readers import consumed
from verbwire.kafka.record import ConsumedRecord
from verbwire.wire.records.changelog import INPUTS_HEADER, read_inputs

_MARGIN = CLOCKS_APART // timedelta(milliseconds=1)  # a worker's clock has stamped them, the broker's what came before


@dataclass(slots=True, eq=False)
class WantedRow:
    """The row of one record. `read` is where the group reads it: its own place, or where it was handed on to."""

    group: str  # as declared
    changelog: TP
    key: bytes
    source: ConsumedRecord
    repartition: str | None = None  # where it was handed on, and is looked for at first
    read: tuple[TP, int] | None = None  # partition and offset; None: not known
    row: ConsumedRecord | None = None
    is_settled: bool = False  # the transaction that read it was seen
    is_later: bool = False  # the row is of a later transaction: what this one wrote is compacted away, or nothing


def find_rows(
    cluster: OpenCluster, wanted: Sequence[WantedRow], since: int, step: Callable[[], None] = lambda: None
) -> None:
    """Look for these rows among the records from `since` on (milliseconds), and note what is found."""
    _find_handed_on(cluster, [each for each in wanted if each.repartition], since - _MARGIN, step)
    searches = {place: ChangelogSearch() for place in sorted({each.changelog for each in wanted})}
    for each in wanted:
        searches[each.changelog].wanted.append(each)
    for message in cluster.read(cluster.spans([*searches], since=since - _MARGIN)):
        step()
        searches[message.topic() or "", message.partition() or 0].take(message)


def _find_handed_on(cluster: OpenCluster, wanted: Sequence[WantedRow], since: int, step: Callable[[], None]) -> None:
    sought = {(each.repartition, each.changelog[1], _place(each.source)): each for each in wanted}
    places = sorted({(each.repartition or "", each.changelog[1]) for each in wanted})
    for message in cluster.read(cluster.spans(places, since=since)):
        step()
        value = dict(message.headers() or ()).get(SOURCE_HEADER)
        place = (message.topic() or "", message.partition() or 0)
        if value is not None and (found := sought.get((*place, value.rpartition(b"/")[0]))):
            found.read = (place, message.offset() or 0)


def _place(record: ConsumedRecord) -> bytes:
    return f"{record.topic}/{record.partition}/{record.offset}".encode()


@dataclass(slots=True)
class ChangelogSearch:
    """The rows that are wanted of one partition of a changelog."""

    wanted: list[WantedRow] = field(default_factory=list)
    _batch: dict[bytes, ConsumedRecord] = field(default_factory=dict)  # what the transaction under way wrote

    def take(self, message: Message) -> None:
        """Take one record of the changelog, in their order."""
        key = message.key()
        if any(each.key == key and each.row is None for each in self.wanted):
            self._batch[key or b""] = consumed(message)
        if (inputs := dict(message.headers() or ()).get(INPUTS_HEADER)) is not None:
            self._end(read_inputs(inputs))

    def _end(self, inputs: dict[str, int]) -> None:
        """A transaction has ended: what it read is settled, and what it wrote is the row of that."""
        for each in self._waiting():
            if each.is_settled:
                each.row = self._batch.get(each.key)
                each.is_later = each.row is not None
            elif each.read is not None and inputs.get(each.read[0][0], 0) > each.read[1]:
                each.is_settled, each.row = True, self._batch.get(each.key)
        self._batch.clear()

    def _waiting(self) -> Iterable[WantedRow]:
        return [each for each in self.wanted if each.row is None]
