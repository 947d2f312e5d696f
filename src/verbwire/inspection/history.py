"""The history of one key in a context: its commands, events, outcomes, states and dead letters, in order of time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

import msgspec

from verbwire.deploy.group_plan import GroupPlan
from verbwire.errors import UndecodableError, UnkeyableError
from verbwire.inspection.reading.cluster import TP, OpenCluster
from verbwire.inspection.reading.keys import candidates_of
from verbwire.inspection.reading.known_topics import Holds, require_namespace
from verbwire.inspection.reading.records import RecordView, RecordViews
from verbwire.inspection.reading.rows import row_contracts
from verbwire.kafka.readers import consumed
from verbwire.kafka.record import ConsumedRecord
from verbwire.messages import Kind
from verbwire.wire.partitioner import partition_of
from verbwire.wire.records.dead_letters import read_dead_letter

LIMIT = 200
_ORDER = {
    Holds.COMMAND: 0,
    Holds.EVENT: 1,
    Holds.OUTCOME: 2,
    Holds.STATE: 3,
    Holds.DEAD_LETTER: 4,
}  # of one millisecond


class History(msgspec.Struct, frozen=True, kw_only=True):
    """What is there of a key, oldest first; `older` more were left out. `missing` topics are not there.

    `begins_late` are partitions whose first records are gone: retention has deleted them, or, of states, compaction.
    """

    context: str
    key: str
    records: tuple[RecordView, ...]
    older: int
    read: tuple[str, ...]  # partitions, as topic/partition
    missing: tuple[str, ...]
    begins_late: tuple[str, ...]


def history(
    cluster: OpenCluster,
    context: str,
    key: str,
    *,
    since: int | None = None,
    limit: int = LIMIT,
    step: Callable[[], None] = lambda: None,
) -> History:
    """Return the history of a key, as a person writes it, since a time in milliseconds; the newest `limit` records.

    Only the partitions of the key are read. :class:`ConfigurationError` for a context that there is not,
    :class:`UnkeyableError` for what is no key there, :class:`UnavailableError` when Kafka cannot be read.
    """
    require_namespace(cluster.project, context)
    keys = _keys(cluster, context, key)
    topics = _topics(cluster, context)
    places = list(_places(cluster, topics, keys))
    spans = cluster.spans(places, since=since)
    starts = cluster.offsets.starts(places)
    views = RecordViews(cluster.codec, cluster.topics, row_contracts(cluster.project))
    newest: dict[str, deque[ConsumedRecord]] = {}
    found = 0
    for message in cluster.read(spans):
        step()
        if message.key() not in keys:
            continue
        record = consumed(message)
        if not _is_of(record, topics):
            continue
        found += 1
        newest.setdefault(record.topic, deque(maxlen=limit)).append(record)
    shown = [views.view(each) for kept in newest.values() for each in kept]
    shown = _repeats_named(sorted(shown, key=_when))[-limit:]
    return History(
        context=context,
        key=key,
        records=tuple(shown),
        older=found - sum(map(len, newest.values())) + max(0, sum(map(len, newest.values())) - len(shown)),
        read=tuple(f"{topic}/{partition}" for topic, partition in places),
        missing=tuple(topic for topic in topics if topic not in cluster.partitions),
        begins_late=tuple(f"{place[0]}/{place[1]}" for place in places if starts[place] > 0),
    )


def _keys(cluster: OpenCluster, context: str, key: str) -> set[bytes]:
    catalog = cluster.project.catalog
    contracts = [*catalog.of_namespace(context, Kind.COMMAND), *catalog.of_namespace(context, Kind.EVENT)]
    try:
        return set(candidates_of(contracts, key))
    except UnkeyableError as error:
        raise UnkeyableError(f"{key!r} is no key in {context}: {error}") from None


def _topics(cluster: OpenCluster, context: str) -> list[str]:
    """The topics of the context, the states of its receiver, and the dead letters of whoever reads it."""
    names = cluster.codec.names
    own = [each.name for each in cluster.topics.values() if each.owner == context and each.holds in _OF_CONTEXT]
    readers = [
        plan
        for plan in (GroupPlan.of(each, cluster.project.catalog) for each in cluster.project.declared.values())
        if {*plan.inputs(names)} & {*own}
    ]
    states = [
        names.changelog(names.group(plan.group), table)
        for plan in readers
        if context in plan.decided
        for table in plan.tables
    ]
    return [*own, *states, *(names.dead_letters(names.group(plan.group)) for plan in readers)]


_OF_CONTEXT = (Holds.COMMAND, Holds.EVENT, Holds.OUTCOME)


def _places(cluster: OpenCluster, topics: list[str], keys: set[bytes]) -> Iterator[TP]:
    """The key's partition of each topic that is there: all of a context's have the same number of them."""
    for topic in topics:
        partitions = cluster.partitions.get(topic)
        if partitions is not None:
            for partition in sorted({partition_of(key, partitions) for key in keys}):
                yield topic, partition


def _is_of(record: ConsumedRecord, topics: list[str]) -> bool:
    """Whether a record is of the context: a dead letter may be of another one that its group reads."""
    try:
        letter = read_dead_letter(record.key, record.value, record.headers)
    except UndecodableError:
        return True
    return letter is None or letter.original.topic in topics


def _repeats_named(records: list[RecordView]) -> list[RecordView]:
    """Say of a command that came under the same id before that it is the same one: it has one outcome."""
    first: dict[str, RecordView] = {}
    named = []
    for each in records:
        if each.kind == Holds.COMMAND and each.id is not None:
            before = first.setdefault(each.id, each)
            if before is not each:
                each = msgspec.structs.replace(each, note=f"the same command again, it came first at {before.place}")
        named.append(each)
    return named


def _when(view: RecordView) -> tuple[int, int, int]:
    return view.timestamp, _ORDER.get(Holds(view.kind), 9), view.offset
