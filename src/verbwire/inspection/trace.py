"""One flow, from what started it to what came of it: commands, outcomes, events and rows as a tree, with times."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec

from verbwire.declarations.aggregate import STATE, Aggregate
from verbwire.declarations.job import Job
from verbwire.engine.topology import StopPartition
from verbwire.errors import ConfigurationError, UnavailableError, UndecodableError
from verbwire.handling.contexts import correlation_of, id_of
from verbwire.inspection.reading.cluster import OpenCluster
from verbwire.inspection.reading.folding import Folded, Folding
from verbwire.inspection.reading.known_topics import Holds
from verbwire.inspection.reading.records import RecordView, RecordViews
from verbwire.inspection.reading.row_search import WantedRow, find_rows
from verbwire.inspection.reading.rows import row_contracts
from verbwire.inspection.reading.times import time_text
from verbwire.kafka.readers import consumed
from verbwire.kafka.record import ConsumedRecord, place_of
from verbwire.wire.headers import Headers
from verbwire.wire.outcome_tokens import OutcomeToken
from verbwire.wire.records.dead_letters import read_dead_letter
from verbwire.wire.topics import OUTCOME_RETENTION_MS

DAY = 24 * 60 * 60 * 1000
MOST = 5_000
_MARGIN = 60_000  # clocks of brokers differ, too
_FLOWS = (Holds.COMMAND, Holds.EVENT, Holds.OUTCOME, Holds.DEAD_LETTER)


class LedTo(msgspec.Struct, frozen=True, kw_only=True):
    """A row, or a state, that a record counts in.

    `state` is ``written`` (`row` is what the changelog holds from then), ``later`` (`row` is of a later transaction),
    ``deleted``, ``unchanged`` (or changed and compacted away since), ``waiting`` (the group has not read the record),
    ``stopped`` (it stops there) or ``unknown``; `note` says why.
    """

    group: str
    key: str | None
    state: str
    row: RecordView | None = None
    note: str | None = None


class Hop(msgspec.Struct, frozen=True, kw_only=True):
    """A record of a flow, and the rows that it counts in.

    `depth` is how many causes it has among the records that were read; `after` is in milliseconds since the last one.
    """

    depth: int
    record: RecordView
    after: int | None
    rows: tuple[LedTo, ...]
    open: str | None = None  # of a command without an outcome: why, as far as that is known


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """A flow, as a tree in its order: behind each of `hops` stands what it caused, one deeper.

    `open` are the ids of commands that have no outcome. `since` and `until` bound what was read.
    """

    wanted: str
    correlation_id: str | None
    hops: tuple[Hop, ...]
    open: tuple[str, ...]
    milliseconds: int | None  # from the first record to the last one
    records: int
    read: int
    since: str | None
    until: str | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Flow:
    """The records of a flow, in no order."""

    correlation_id: str | None
    records: Sequence[ConsumedRecord]
    left_out: int


def trace(
    cluster: OpenCluster,
    wanted: str,
    *,
    since: int | None = None,
    until: int | None = None,
    step: Callable[[], None] = lambda: None,
) -> Trace:
    """Return the flow of a message, an outcome token, or a correlation id, among the records since then (milliseconds).

    Without `since`: since the command, where a token tells its time; else of the last 24 hours. Where `wanted` is not
    what started its flow, the whole flow is looked for in a second read. :class:`UnavailableError` when Kafka cannot
    be read.
    """
    id, began = _meant(wanted)
    notes: list[str] = []
    begin = since if since is not None else began if began is not None else round(time.time() * 1000) - DAY
    search = _Search(cluster, begin, until, step)
    flow = search.flow(id)
    hops = _Hops(cluster, flow, until is not None, step)
    if flow.left_out:
        notes.append(f"{flow.left_out} more records of the flow were left out: {MOST} are shown at most")
    tree = hops.tree()
    stamps = [each.timestamp for each in flow.records]
    return Trace(
        wanted=wanted,
        correlation_id=flow.correlation_id,
        hops=tree,
        open=tuple(hops.open),
        milliseconds=max(stamps) - min(stamps) if stamps else None,
        records=len(flow.records),
        read=search.read,
        since=time_text(begin),
        until=None if until is None else time_text(until),
        notes=(*notes, *hops.notes),
    )


def _meant(wanted: str) -> tuple[str, int | None]:
    """Return the id that is meant, and since when there is something of it, where an outcome's token tells."""
    if not wanted:
        raise ConfigurationError("the id is empty: give the id of a message or flow, or the token of an outcome")
    try:
        token = OutcomeToken.decode(wanted)
    except UndecodableError:
        return wanted, None
    return token.id, token.timestamp - _MARGIN


class _Search:
    """Reads the topics of flows for the records of one."""

    def __init__(self, cluster: OpenCluster, since: int, until: int | None, step: Callable[[], None]) -> None:
        self.read = 0
        self._cluster = cluster
        self._step = step
        topics = [each.name for each in cluster.topics.values() if each.holds in _FLOWS]
        self._spans = cluster.spans(cluster.all_places(topics), since=since, until=until)

    def flow(self, wanted: str) -> _Flow:
        """Return the flow that an id is of, or that is called so."""
        first = self._records(wanted, any_part=True)
        named = [facts for _, facts in first if facts.id == wanted]
        correlation = next(iter(named or [facts for _, facts in first]), None)
        flow = wanted if correlation is None else correlation.correlation_id
        if any(facts.correlation_id == wanted for _, facts in first):
            flow = wanted
        found = first if flow == wanted else self._records(flow, any_part=False)
        return _Flow(flow if found else None, [record for record, _ in found[:MOST]], max(0, len(found) - MOST))

    def _records(self, wanted: str, *, any_part: bool) -> list[tuple[ConsumedRecord, _Facts]]:
        """Return the records of the flow of that name; with `any_part` also those that an id is, or has caused."""
        found = []
        data = wanted.encode(errors="surrogatepass")
        for message in self._cluster.read(self._spans):
            self.read += 1
            self._step()
            headers = message.headers() or ()
            named = any(value == data for _, value in headers)
            if not named and place_of_message(message) != wanted:
                continue
            record = consumed(message)
            facts = _facts(record)
            if facts is not None and (
                wanted in (facts.correlation_id, facts.id) or (any_part and facts.causation_id == wanted)
            ):
                found.append((record, facts))
        return found


def place_of_message(message: Any) -> str:
    """Return where a message lies, which is its id where its producer gave none."""
    return f"{message.topic()}/{message.partition()}/{message.offset()}"


@dataclass(frozen=True, slots=True)
class _Facts:
    id: str
    correlation_id: str
    causation_id: str | None


def _facts(record: ConsumedRecord) -> _Facts | None:
    """Return what a record's headers say of its flow; None where they cannot be read: it is of none that has a name."""
    try:
        letter = read_dead_letter(record.key, record.value, record.headers)
        content = record if letter is None else letter.original
        headers = Headers(content.headers)
        id = id_of(content, headers)
        return _Facts(id, correlation_of(headers, id), headers.causation_id)
    except UndecodableError:
        return None


class _Hops:
    """Makes the tree of a flow's records."""

    def __init__(self, cluster: OpenCluster, flow: _Flow, is_cut: bool, step: Callable[[], None]) -> None:
        self.open: list[str] = []
        self.notes: list[str] = []
        self._cluster = cluster
        self._is_cut = is_cut
        self._step = step
        views = RecordViews(cluster.codec, cluster.topics, row_contracts(cluster.project))
        self._views = views
        self._records = {place_of(record): record for record in flow.records}
        self._shown = sorted((views.view(record) for record in flow.records), key=_when)
        self._first: dict[str, RecordView] = {}  # of each id, where a dead letter has that of its record
        for each in self._shown:
            if each.kind != Holds.DEAD_LETTER and each.id is not None:
                self._first.setdefault(each.id, each)
        self._children: dict[str | None, list[RecordView]] = defaultdict(list)
        for each in self._shown:
            self._children[self._parent(each)].append(each)

    def tree(self) -> tuple[Hop, ...]:
        """Return the records without a cause, each with all that follows from it."""
        rows, hops, seen = self._rows(), [], set[str]()
        # What names itself as its cause, in a circle, has no start of its own: it comes last.
        starts = (*reversed(self._shown), *reversed(self._children[None]))
        left: list[tuple[RecordView, RecordView | None, int]] = [(each, None, 0) for each in starts]
        while left:
            view, cause, depth = left.pop()
            if view.place in seen:
                continue
            seen.add(view.place)
            hops.append(self._hop(view, cause, depth, rows))
            if self._first.get(view.id or "") is view:
                left += [(each, view, depth + 1) for each in reversed(self._children[view.id])]
        return tuple(hops)

    def _hop(self, view: RecordView, cause: RecordView | None, depth: int, rows: Mapping[str, Sequence[LedTo]]) -> Hop:
        first, open = self._first.get(view.id or ""), None
        if view.kind == Holds.COMMAND and first is view and (open := self._open(view)) is not None:
            self.open.append(view.id or view.place)
        elif view.kind == Holds.COMMAND and first is not None and first is not view:
            view = msgspec.structs.replace(view, note=f"the same command again, it came first at {first.place}")
        after = None if cause is None else view.timestamp - cause.timestamp
        return Hop(depth=depth, record=view, after=after, rows=tuple(rows.get(view.place, ())), open=open)

    def _parent(self, view: RecordView) -> str | None:
        """Return the id of what a record follows from; None where that is not among those that were read."""
        parent = view.id if view.kind == Holds.DEAD_LETTER else view.causation_id
        if parent is None or parent not in self._first or self._first[parent] is view:
            return None
        return parent

    def _open(self, view: RecordView) -> str | None:
        """Return why a command has no outcome; None where it has one, or is none that gets any."""
        contract = self._cluster.project.catalog.contracts.get(view.type or "")
        answered = any(each.kind == Holds.OUTCOME for each in self._children[view.id])
        if answered or (contract is not None and contract.response == "none"):
            return None
        if time.time() * 1000 - view.timestamp > OUTCOME_RETENTION_MS:
            return "no outcome, which may be gone: outcomes are kept for 7 days"
        if self._is_cut:
            return "no outcome in the time that was read"
        return self._progress(view)

    def _progress(self, view: RecordView) -> str:
        owner = self._cluster.topics[view.topic].owner
        receivers = [
            each
            for each in self._cluster.project.declared.values()
            if isinstance(each, Aggregate | Job) and each.namespace == owner
        ]
        if not receivers:
            return f"no outcome yet; the receiver of {owner} is not of this project"
        place = (view.topic, view.partition)
        found = self._cluster.of_group(receivers[0].group).stable([place]).get(place)
        if found is None:
            return f"no outcome yet; a transaction of {receivers[0].group} is open, so how far it is cannot be told"
        behind = view.offset - (found.offset or 0)
        if behind >= 0:
            return (
                f"no outcome yet; {receivers[0].group} has {behind} record(s) to read before it (see `verbwire status`)"
            )
        return f"no outcome; {receivers[0].group} has read past it: its outcome may have come while this was read"

    # -- rows

    def _rows(self) -> Mapping[str, Sequence[LedTo]]:
        """Return what each record led to, by its place."""
        found: dict[str, list[LedTo]] = defaultdict(list)
        wanted: list[tuple[str, WantedRow]] = []
        for place, record in self._records.items():
            for each in self._wanted(record):
                if isinstance(each, LedTo):
                    found[place].append(each)
                else:
                    wanted.append((place, each))
        if wanted:
            rows = [each for _, each in wanted]
            find_rows(self._cluster, rows, min(each.timestamp for each in self._records.values()), self._step)
            committed = self._committed(rows)
            for place, row in wanted:
                found[place].append(self._led_to(row, committed))
        return found

    def _wanted(self, record: ConsumedRecord) -> Iterable[WantedRow | LedTo]:
        names = self._cluster.codec.names
        holds = self._cluster.topics[record.topic].holds
        if holds is Holds.COMMAND:
            for each in self._cluster.project.aggregates:
                if names.commands(each.namespace) == record.topic and record.key and self._changes_state(record):
                    changelog = (names.changelog(names.group(each.group), STATE), record.partition)
                    yield _row(each.group, changelog, record.key, record)
        elif holds in (Holds.EVENT, Holds.OUTCOME):
            for folding in self._foldings:
                if record.topic in folding.sources:
                    yield from self._folded(folding, record)

    def _changes_state(self, record: ConsumedRecord) -> bool:
        """Whether this is the command that was accepted: others, and it when it comes again, change no state."""
        facts = _facts(record)
        is_first = facts is not None and self._first[facts.id].place == place_of(record)
        outcomes = self._children[facts.id] if facts is not None and is_first else []
        return any(each.kind == Holds.OUTCOME and (each.message or {}).get("status") == "ACCEPTED" for each in outcomes)

    def _folded(self, folding: Folding, record: ConsumedRecord) -> Iterable[WantedRow | LedTo]:
        try:
            place = folding.row_of(record)
        except StopPartition as stop:
            yield LedTo(group=folding.declared.group, key=None, state="stopped", note=stop.reason)
            return
        if place is None:
            return
        row = _row(folding.declared.group, (folding.changelog, place.partition), place.key, record)
        if folding.repartition is not None and place.partition != record.partition:
            row.read, row.repartition = None, folding.repartition
        yield row

    @cached_property
    def _foldings(self) -> Sequence[Folding]:
        project, found = self._cluster.project, list[Folding]()
        groups: list[Folded] = [*project.tables]
        groups += project.processes
        for each in groups:
            try:
                found.append(Folding(self._cluster, each))
            except UnavailableError as error:
                self.notes.append(f"the rows of {each.group} are not known: {error}")
        return found

    def _committed(self, rows: Sequence[WantedRow]) -> Mapping[tuple[str, str, int], int]:
        """Return how far groups have read, for rows that were not found."""
        wanted = defaultdict(set)
        for each in rows:
            if each.row is None and each.read is not None:
                wanted[each.group].add(each.read[0])
        return {
            (group, *place): offset.offset or 0
            for group, places in wanted.items()
            for place, offset in self._cluster.of_group(group).stable(places).items()
        }

    def _led_to(self, wanted: WantedRow, committed: Mapping[tuple[str, str, int], int]) -> LedTo:
        key = self._views.key(ConsumedRecord(*wanted.changelog, 0, 0, wanted.key, None, ()), None)
        if wanted.row is not None:
            view = self._views.view(wanted.row)
            state = "deleted" if wanted.row.value is None else "later" if wanted.is_later else "written"
            return LedTo(group=wanted.group, key=key, state=state, row=view)
        if wanted.read is None:
            note = f"{wanted.repartition} does not hold it (yet, or no longer)"
            return LedTo(group=wanted.group, key=key, state="unknown", note=note)
        place, offset = wanted.read
        done = committed.get((wanted.group, *place))
        if done is None:
            note = "a transaction of the group is open, so how far it is cannot be told"
            return LedTo(group=wanted.group, key=key, state="unknown", note=note)
        if done <= offset:
            note = f"the group has {offset - done} record(s) of {place[0]}/{place[1]} to read before it"
            return LedTo(group=wanted.group, key=key, state="waiting", note=note)
        return LedTo(group=wanted.group, key=key, state="unchanged")


def _row(group: str, changelog: tuple[str, int], key: bytes, record: ConsumedRecord) -> WantedRow:
    return WantedRow(group, changelog, key, record, read=((record.topic, record.partition), record.offset))


_ORDER = {Holds.COMMAND: 0, Holds.EVENT: 1, Holds.OUTCOME: 2, Holds.DEAD_LETTER: 3}  # of one millisecond


def _when(view: RecordView) -> tuple[int, int, str, int, int]:
    return view.timestamp, _ORDER.get(Holds(view.kind), 9), view.topic, view.partition, view.offset
