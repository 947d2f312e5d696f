"""Why a row is as it is: the events behind it, and each change that the changelog still has."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from verbwire.dotted_names import DottedNames
from verbwire.engine.topology import StopPartition
from verbwire.errors import ConfigurationError, UndecodableError
from verbwire.inspection.reading.cluster import TP, OpenCluster
from verbwire.inspection.reading.folding import Folded, Folding, RowPlace
from verbwire.inspection.reading.parked import parked_records
from verbwire.inspection.reading.records import RecordView, RecordViews
from verbwire.inspection.reading.rows import row_contracts
from verbwire.kafka.readers import consumed
from verbwire.kafka.record import ConsumedRecord, place_of
from verbwire.wire.keys import parse_key_text
from verbwire.wire.partitioner import partition_of
from verbwire.wire.records.changelog import INPUTS_HEADER, read_inputs

LIMIT = 200


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A row as a transaction left it (without a message: deleted), and the records that had counted by then.

    Those are of that transaction, and of earlier ones whose rows the changelog no longer has.
    """

    row: RecordView
    causes: tuple[RecordView, ...]


class Why(msgspec.Struct, frozen=True, kw_only=True):
    """The changes of a row, oldest first; the last one is the row now.

    `unchanged` are records of its key that counted and left it as it was (or whose change is compacted away), `waiting`
    those that the group has not read yet, `parked` those that wait for an operator, the first of them for the reason
    `parked_for` gives. `older` causes were left out. `unplaced` are records at which the group would
    stop, so that their row is not known. `notes` say what else is not known.
    """

    table: str
    key: str
    changes: tuple[Change, ...]
    unchanged: tuple[RecordView, ...]
    waiting: tuple[RecordView, ...]
    parked: tuple[RecordView, ...]
    parked_for: str
    older: int
    unplaced: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def now(self) -> RecordView | None:
        """The row as it is now, None where there is none."""
        last = self.changes[-1].row if self.changes else None
        return None if last is None or (last.message is None and last.unreadable is None) else last


@dataclass(slots=True)
class _Version:
    """A record of the row in the changelog, and how far the inputs were when its transaction ended."""

    record: ConsumedRecord
    inputs: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Cause:
    """A record that counts in the row: as the group has read it, and as it was first written."""

    read: ConsumedRecord
    source: ConsumedRecord


def folded(cluster: OpenCluster, name: str) -> Folded:
    """Return the table or process of that name, or of a dotted end of it; ConfigurationError where there is none."""
    project = cluster.project
    known: dict[str, Folded] = {each.group: each for each in project.tables}
    known |= {each.group: each for each in project.processes}
    match DottedNames(known).matching(name):
        case [found]:
            return known[found]
        case []:
            hint = "; of an aggregate's state `verbwire log` tells" if name in project.declared else ""
            listed = ", ".join(sorted(known)) or "none"
            raise ConfigurationError(f"no table or process is called {name}: there are {listed}{hint}")
        case choices:
            raise ConfigurationError(f"{name} is ambiguous: use {' or '.join(choices)}")


def why(
    cluster: OpenCluster, table: str, key: str, *, limit: int = LIMIT, step: Callable[[], None] = lambda: None
) -> Why:
    """Return what led to a row: the newest `limit` records that counted, and the newest `limit` changes.

    :class:`ConfigurationError` for a table that there is not, :class:`UnkeyableError` for what is no key of it,
    :class:`UnavailableError` when Kafka cannot be read.
    """
    folding = Folding(cluster, folded(cluster, table))
    row_key = parse_key_text(folding.row, key)
    counted = _counted(folding, row_key, key)
    partition = partition_of(counted, folding.partitions)
    versions = _versions(cluster, (folding.changelog, partition), row_key, limit, step)
    search = _Causes(cluster, folding, row_key, counted, partition, limit)
    causes = sorted(search.find(step), key=lambda each: (each.source.timestamp, each.source.topic, each.source.offset))
    views = RecordViews(cluster.codec, cluster.topics, row_contracts(cluster.project))
    by_version, rest = _assigned(causes, versions)
    changes = [
        Change(row=views.view(version.record), causes=tuple(views.view(each.source) for each in theirs))
        for version, theirs in zip(versions, by_version, strict=True)
    ]
    parked = parked_records(cluster, folding.declared, partition, row_key, step)
    held = [each for each in rest if place_of(each.read) in parked]
    read, waiting = _read_or_waiting(cluster, folding, [each for each in rest if place_of(each.read) not in parked])
    return Why(
        table=folding.declared.group,
        key=key,
        changes=tuple(changes),
        unchanged=tuple(views.view(each.source) for each in read),
        waiting=tuple(views.view(each.source) for each in waiting),
        parked=tuple(views.view(each.source) for each in held),
        parked_for=next(filter(None, parked.values()), ""),
        older=search.older,
        unplaced=tuple(search.unplaced),
        notes=tuple(search.notes),
    )


def _counted(folding: Folding, row_key: bytes, text: str) -> bytes:
    try:
        return folding.counted_key(row_key)
    except UndecodableError as error:
        raise ConfigurationError(f"{text!r} is no key of {folding.declared.group}: {error}") from error


def _versions(cluster: OpenCluster, changelog: TP, key: bytes, limit: int, step: Callable[[], None]) -> list[_Version]:
    """Return the row's records in the changelog, each with how far the inputs were."""
    found: deque[_Version] = deque(maxlen=limit)
    open_ones: list[_Version] = []
    for message in cluster.read(cluster.spans([changelog])):
        step()
        if message.key() == key:
            version = _Version(consumed(message))
            found.append(version)
            open_ones.append(version)
        if open_ones and (inputs := dict(message.headers() or ()).get(INPUTS_HEADER)):
            for each in open_ones:
                each.inputs = read_inputs(inputs)
            open_ones.clear()
    return [*found]


class _Causes:
    """Looks for the records that count in one row."""

    def __init__(
        self, cluster: OpenCluster, folding: Folding, row_key: bytes, counted: bytes, partition: int, limit: int
    ) -> None:
        self.older = 0
        self.unplaced: list[str] = []
        self.notes: list[str] = []
        self._cluster = cluster
        self._folding = folding
        self._row_key = row_key
        self._counted = counted
        self._partition = partition
        self._limit = limit

    def find(self, step: Callable[[], None]) -> Sequence[_Cause]:
        """Return them, the newest `limit` of each topic that the group reads."""
        newest: dict[str, dict[tuple[int, int], _Cause]] = {}  # by topic and place of the record as first written
        for record in self._candidates(step):
            place = self._place(record)
            if place is None or place.key != self._row_key:
                continue
            kept = newest.setdefault(place.source.topic, {})
            at = (place.source.partition, place.source.offset)
            if at not in kept or record.topic == self._folding.repartition:  # where it counts is where it was handed to
                kept[at] = _Cause(record, place.source)
            if len(kept) > self._limit:
                self.older += 1
                del kept[min(kept, key=lambda each: kept[each].source.timestamp)]
        if self._is_windowed():
            self.notes.append("an event that came too late for its window is among these, too: the table left it out")
        return [each for kept in newest.values() for each in kept.values()]

    def _candidates(self, step: Callable[[], None]) -> Iterator[ConsumedRecord]:
        """Yield the records that may count: of the key, where that tells; else all of the partition."""
        folding = self._folding
        for message in self._cluster.read(self._cluster.spans(self._places())):
            step()
            is_keyed = folding.repartition is None or message.topic() == folding.repartition
            if not is_keyed or message.key() == self._counted:
                yield consumed(message)

    def _places(self) -> list[TP]:
        """Return the partitions that have such records: those of the key, and where some were handed on, all."""
        folding, partition = self._folding, self._partition
        places = [(topic, partition) for topic in folding.inputs]
        if folding.repartition is None or not self._cluster.offsets.starts(places)[folding.repartition, partition]:
            return places
        self.notes.append(
            f"{folding.repartition}/{partition} no longer holds its first records (retention): all partitions of "
            "the sources were read instead, and the functions that rekey are those of the code as it is now"
        )
        return [
            *places,
            *((topic, each) for topic in folding.sources for each in range(folding.partitions) if each != partition),
        ]

    def _place(self, record: ConsumedRecord) -> RowPlace | None:
        try:
            return self._folding.row_of(record)
        except StopPartition as stop:
            if len(self.unplaced) < self._limit:
                self.unplaced.append(f"{place_of(record)}: {stop.reason}")
            return None

    def _is_windowed(self) -> bool:
        return getattr(self._folding.declared, "window", None) is not None


def _assigned(causes: Sequence[_Cause], versions: Sequence[_Version]) -> tuple[list[list[_Cause]], list[_Cause]]:
    """Return the causes of each version, and those after which there is none."""
    by_version: list[list[_Cause]] = [[] for _ in versions]
    rest = []
    for cause in causes:
        if versions and cause.read.partition != versions[0].record.partition:
            by_version[0].append(cause)  # it was handed on so long ago that this record is gone
            continue
        for number, version in enumerate(versions):
            if version.inputs.get(cause.read.topic, 0) > cause.read.offset:
                by_version[number].append(cause)
                break
        else:
            rest.append(cause)
    return by_version, rest


def _read_or_waiting(
    cluster: OpenCluster, folding: Folding, rest: Sequence[_Cause]
) -> tuple[list[_Cause], list[_Cause]]:
    """Part causes without a change into those that the group has read, and those that it has not."""
    places = sorted({(each.read.topic, each.read.partition) for each in rest})
    committed = cluster.of_group(folding.declared.group).stable(places) if places else {}
    read: list[_Cause] = []
    waiting: list[_Cause] = []
    for each in rest:
        found = committed.get((each.read.topic, each.read.partition))
        done = found is not None and found.offset is not None and found.offset > each.read.offset
        (read if done else waiting).append(each)
    return read, waiting
