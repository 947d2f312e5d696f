"""The records of a flow as a tree: each behind what caused it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from verbwire.inspection.reading.known_topics import Holds
from verbwire.inspection.reading.records import RecordView

_ORDER = {Holds.COMMAND: 0, Holds.EVENT: 1, Holds.OUTCOME: 2, Holds.DEAD_LETTER: 3}  # of one millisecond


class TreeNode(NamedTuple):
    """A record, what caused it (None where that is not among the records), and how many causes deep it is."""

    view: RecordView
    cause: RecordView | None
    depth: int


class FlowTree:
    """Finds what follows from what, by the ids in the headers. Of a command that came again the first is the cause."""

    def __init__(self, views: Iterable[RecordView]) -> None:
        self._views = sorted(views, key=_when)
        self._first: dict[str, RecordView] = {}
        for each in self._views:
            if each.kind != Holds.DEAD_LETTER and each.id is not None:  # which has the id of its record
                self._first.setdefault(each.id, each)
        self._following: dict[str | None, list[RecordView]] = defaultdict(list)
        for each in self._views:
            self._following[self._cause_of(each)].append(each)

    def first(self, id: str | None) -> RecordView | None:
        """Return the first record of that id."""
        return None if id is None else self._first.get(id)

    def following(self, id: str | None) -> Sequence[RecordView]:
        """Return what a message has caused directly, its dead letters among it."""
        return () if id is None else self._following.get(id, ())

    def __iter__(self) -> Iterator[TreeNode]:
        """Yield all records, each followed by what it caused."""
        seen: set[str] = set()
        # What names itself as its cause, in a circle, has no start of its own: it comes last.
        starts = (*reversed(self._views), *reversed(self._following[None]))
        left = [TreeNode(each, None, 0) for each in starts]
        while left:
            node = left.pop()
            if node.view.place in seen:
                continue
            seen.add(node.view.place)
            yield node
            if self.first(node.view.id) is node.view:
                left += [TreeNode(each, node.view, node.depth + 1) for each in reversed(self.following(node.view.id))]

    def _cause_of(self, view: RecordView) -> str | None:
        cause = view.id if view.kind == Holds.DEAD_LETTER else view.causation_id
        return cause if self.first(cause) not in (None, view) else None


def _when(view: RecordView) -> tuple[int, int, str, int, int]:
    return view.timestamp, _ORDER.get(Holds(view.kind), 9), view.topic, view.partition, view.offset
