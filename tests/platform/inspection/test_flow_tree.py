"""A flow as a tree: by the ids in the headers of its records, whatever those say."""

from __future__ import annotations

from itertools import count
from typing import Any

from verbwire.inspection.reading.flow_tree import FlowTree
from verbwire.inspection.reading.known_topics import Holds
from verbwire.inspection.reading.records import RecordView

_offsets = count()


def record(kind: Holds, id: str, cause: str | None = None, at: int = 0) -> RecordView:
    place: dict[str, Any] = {"topic": "t", "partition": 0, "offset": next(_offsets), "timestamp": at}
    absent: dict[str, Any] = dict.fromkeys(("time", "type", "key", "correlation_id", "actor", "source", "message"))
    return RecordView(**place, **absent, kind=kind, id=id, causation_id=cause)


def shape(*views: RecordView) -> list[tuple[int, str | None]]:
    return [(node.depth, node.view.id) for node in FlowTree(views)]


COMMAND = record(Holds.COMMAND, "c")
EVENT = record(Holds.EVENT, "c:0", "c", at=1)
OUTCOME = record(Holds.OUTCOME, "c:outcome", "c", at=2)
NEXT = record(Holds.COMMAND, "p", "c:0", at=3)


def test_a_flow_tree_puts_each_record_behind_its_cause() -> None:
    assert shape(NEXT, OUTCOME, EVENT, COMMAND) == [(0, "c"), (1, "c:0"), (2, "p"), (1, "c:outcome")]


def test_a_flow_tree_begins_anew_where_the_cause_is_not_there() -> None:
    later = record(Holds.COMMAND, "other", at=9)
    assert shape(later, NEXT, OUTCOME) == [(0, "c:outcome"), (0, "p"), (0, "other")]


def test_a_flow_tree_hangs_all_that_follows_behind_the_first_of_a_repeated_command() -> None:
    again = record(Holds.COMMAND, "c", at=9)
    assert shape(COMMAND, again, OUTCOME) == [(0, "c"), (1, "c:outcome"), (0, "c")]


def test_a_flow_tree_hangs_a_dead_letter_behind_its_record() -> None:
    letter = record(Holds.DEAD_LETTER, "c:0", "c", at=2)
    assert shape(COMMAND, EVENT, letter, NEXT) == [(0, "c"), (1, "c:0"), (2, "c:0"), (2, "p")]


def test_a_flow_tree_shows_each_record_once_though_ids_name_each_other_in_a_circle() -> None:
    ring = [record(Holds.COMMAND, "a", "b", at=1), record(Holds.EVENT, "b", "a", at=2)]
    assert sorted(shape(*ring, COMMAND)) == [(0, "a"), (0, "c"), (1, "b")]


def test_a_flow_tree_may_be_deep() -> None:
    chain = [record(Holds.COMMAND, str(number), str(number - 1), at=number) for number in range(5_000)]
    assert shape(*chain)[-1] == (4_999, "4999")
