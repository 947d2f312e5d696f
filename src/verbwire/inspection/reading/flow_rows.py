"""The rows and states that the records of a flow count in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property

import msgspec

from verbwire.declarations.aggregate import STATE
from verbwire.deploy.group_plan import GroupPlan
from verbwire.engine.topology import StopPartition
from verbwire.errors import UnavailableError
from verbwire.inspection.reading.cluster import OpenCluster
from verbwire.inspection.reading.flow_search import facts_of
from verbwire.inspection.reading.flow_tree import FlowTree
from verbwire.inspection.reading.folding import Folded, Folding
from verbwire.inspection.reading.known_topics import Holds
from verbwire.inspection.reading.records import RecordView, RecordViews
from verbwire.inspection.reading.row_search import WantedRow, find_rows
from verbwire.kafka.record import ConsumedRecord, place_of


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


class FlowRows:
    """Finds the rows of a flow's records. `notes` say what could not be looked for."""

    def __init__(
        self, cluster: OpenCluster, views: RecordViews, tree: FlowTree, records: Sequence[ConsumedRecord]
    ) -> None:
        self.notes: list[str] = []
        self._cluster = cluster
        self._views = views
        self._tree = tree
        self._records = {place_of(record): record for record in records}

    def find(self, step: Callable[[], None]) -> Mapping[str, Sequence[LedTo]]:
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
            find_rows(self._cluster, rows, min(each.timestamp for each in self._records.values()), step)
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
        facts = facts_of(record)
        first = None if facts is None else self._tree.first(facts.id)
        if first is None or first.place != place_of(record):
            return False
        outcomes = self._tree.following(first.id)
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
        """Return the tables and processes that read a topic of the flow."""
        project, found = self._cluster.project, list[Folding]()
        groups: list[Folded] = [*project.tables]
        groups += project.processes
        topics = {record.topic for record in self._records.values()}
        for each in groups:
            if not topics & {*GroupPlan.of(each, project.catalog).inputs(project.settings.names)}:
                continue
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
