"""One flow, from what started it to what came of it: commands, outcomes, events and rows as a tree, with times."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import msgspec

from verbwire.declarations.aggregate import Aggregate
from verbwire.declarations.job import Job
from verbwire.declarations.process import Process
from verbwire.errors import ConfigurationError, UndecodableError
from verbwire.inspection.reading.cluster import OpenCluster
from verbwire.inspection.reading.flow_rows import FlowRows, LedTo
from verbwire.inspection.reading.flow_search import MOST, FlowSearch
from verbwire.inspection.reading.flow_tree import FlowTree
from verbwire.inspection.reading.known_topics import Holds
from verbwire.inspection.reading.records import RecordView, RecordViews
from verbwire.inspection.reading.rows import row_contracts
from verbwire.inspection.reading.times import time_text
from verbwire.wire.outcome_tokens import OutcomeToken
from verbwire.wire.topics import OUTCOME_RETENTION_MS

DAY = 24 * 60 * 60 * 1000
_MARGIN = 60_000  # clocks of brokers differ, too
_FLOWS = (Holds.COMMAND, Holds.EVENT, Holds.OUTCOME, Holds.DEAD_LETTER)


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
    search = FlowSearch(cluster, begin, until, step)
    flow = search.flow(id)
    views = RecordViews(cluster.codec, cluster.topics, row_contracts(cluster.project))
    flow_tree = FlowTree(map(views.view, flow.records))
    rows = FlowRows(cluster, views, flow_tree, flow.records)
    hops = _Hops(cluster, flow_tree, rows.find(step), is_cut=until is not None)
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
        notes=(*notes, *rows.notes),
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


class _Hops:
    """Makes the hops of a flow."""

    def __init__(
        self, cluster: OpenCluster, tree: FlowTree, rows: Mapping[str, Sequence[LedTo]], *, is_cut: bool
    ) -> None:
        self.open: list[str] = []
        self._cluster = cluster
        self._tree = tree
        self._rows = rows
        self._is_cut = is_cut

    def tree(self) -> tuple[Hop, ...]:
        """Return them in their order."""
        return tuple(self._hop(*node) for node in self._tree)

    def _hop(self, view: RecordView, cause: RecordView | None, depth: int) -> Hop:
        first, open = self._tree.first(view.id), None
        if view.kind == Holds.COMMAND and first is view and (open := self._open(view)) is not None:
            self.open.append(view.id or view.place)
        elif view.kind == Holds.COMMAND and first is not None and first is not view:
            view = msgspec.structs.replace(view, note=f"the same command again, it came first at {first.place}")
        after = None if cause is None else view.timestamp - cause.timestamp
        return Hop(depth=depth, record=view, after=after, rows=tuple(self._rows.get(view.place, ())), open=open)

    def _open(self, view: RecordView) -> str | None:
        """Return why a command has no outcome; None where it has one, or is none that gets any."""
        contract = self._cluster.project.catalog.contracts.get(view.type or "")
        answered = any(each.kind == Holds.OUTCOME for each in self._tree.following(view.id))
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
            if isinstance(each, Aggregate | Job | Process) and each.namespace == owner
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
