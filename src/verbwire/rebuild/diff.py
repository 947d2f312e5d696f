"""Compares the rows of two generations at equal positions of their inputs, while both go on.

A row of either side is what the inputs made of it up to some position, and both sides move. So both changelogs are read
once both are past a first position, and on once both are past another one, which is behind all that was read before.
What differs then, and was written by neither side in between, differs at that position. What was written is in motion:
not judged, only counted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import islice
from typing import Any

import msgspec
from confluent_kafka import OFFSET_BEGINNING, TopicPartition

from verbwire.contracts.schema.model import Contract
from verbwire.errors import MessageError, UndecodableError
from verbwire.inspection.reading.cluster import OpenCluster
from verbwire.kafka.offsets import TP
from verbwire.kafka.readers import read_to_end
from verbwire.messages import Message
from verbwire.rebuild.plan import RebuildPlan
from verbwire.rebuild.progress import Reach
from verbwire.rebuild.side_by_side import NEW, OLD, SideBySide
from verbwire.wire.codec.display import Display
from verbwire.wire.keys import key_text
from verbwire.wire.records.changelog import MARK

REACH_SECONDS = 60.0
SAMPLES = 10
_READINGS = 3  # the second takes what came during the first, which is long; the third is short, so that little moves
_RUN = 20_000


class RowDifference(msgspec.Struct, frozen=True, kw_only=True):
    """One row that differs: `what` is ``added``, ``removed`` or ``changed``, `fields` the old and new value of each.

    Of a row that is there on one side only, all its fields; None on the other side.
    """

    key: str
    what: str
    fields: dict[str, tuple[Any, Any]]


class RebuildDiff(msgspec.Struct, frozen=True, kw_only=True):
    """What is different. `moving` rows were written meanwhile, so nothing is said of them; ask again for those."""

    table: str
    old: int
    new: int
    old_rows: int
    new_rows: int
    added: int
    removed: int
    changed: int
    moving: int
    samples: tuple[RowDifference, ...]

    @property
    def equal(self) -> bool:
        """Whether no row differs."""
        return not (self.added or self.removed or self.changed)


def diff(
    plan: RebuildPlan,
    old: int,
    new: int,
    samples: int = SAMPLES,
    seconds: float = REACH_SECONDS,
    step: Callable[[], None] = lambda: None,
) -> RebuildDiff:
    """Compare them; RebuildError where one of them does not get to where the inputs end within so many seconds.

    `step` is called for each record that is read.
    """
    sides = {OLD: _Side(plan, old, step), NEW: _Side(plan, new, step)}
    with SideBySide() as rows:
        for _ in range(_READINGS):
            rows.rest()
            ends, deadline = next(iter(sides.values())).reach.ends(), time.monotonic() + seconds
            for side in sides.values():
                side.reach.until(ends, deadline)
            for name, side in sides.items():
                found = side.read()
                while run := [*islice(found, _RUN)]:
                    rows.take(name, run)
        return _judged(plan, old, new, rows, samples)


class _Side:
    def __init__(self, plan: RebuildPlan, number: int, step: Callable[[], None]) -> None:
        self.reach = Reach(plan, number)
        self._cluster = OpenCluster(plan.view, step)
        self._topic, self._step = plan.changelog(number), step
        self._offsets = plan.view.offsets("")
        places = range(plan.partitions(number))
        self._next: dict[TP, int] = {(self._topic, each): OFFSET_BEGINNING for each in places}

    def read(self) -> Iterator[tuple[bytes, bytes | None]]:
        """Yield what the changelog has more than the last time, to where it ends now: it may never be at rest."""
        ends = self._offsets.stable_ends(self._next)
        with closing(self._cluster.consumer(queued_max_messages_kbytes=16_384)) as consumer:
            starts = [TopicPartition(*place, offset) for place, offset in self._next.items()]
            for message in read_to_end(consumer, starts, ends=ends):
                self._step()
                self._next[self._topic, message.partition() or 0] = (message.offset() or 0) + 1
                key = message.key() or MARK
                if key != MARK:
                    yield key, message.value()


def _judged(plan: RebuildPlan, old: int, new: int, rows: SideBySide, samples: int) -> RebuildDiff:
    contract = plan.view.project.catalog.of(plan.declared.row)
    decode = {number: _decoder(plan, contract, number) for number in (old, new)}
    display, counts, shown = Display(plan.view.registry), dict.fromkeys(("added", "removed", "changed"), 0), []
    moving = 0
    for key, before, after, moves in rows.different():
        if before is not None and after is not None and _same(decode[old], before, decode[new], after):
            continue
        if moves:
            moving += 1
            continue
        what = "added" if before is None else "removed" if after is None else "changed"
        counts[what] += 1
        if counts[what] <= samples:
            fields = _fields(display, before, after)
            shown.append(RowDifference(key=_text(contract, key), what=what, fields=fields))
    return RebuildDiff(
        table=plan.group,
        old=old,
        new=new,
        old_rows=rows.count(OLD),
        new_rows=rows.count(NEW),
        moving=moving,
        samples=tuple(shown),
        **counts,
    )


Decode = Callable[[bytes], Message | None]


def _decoder(plan: RebuildPlan, contract: Contract, number: int) -> Decode:
    classes = {contract.name: plan.declared.row}
    return plan.view.codec.topic_decoder(plan.changelog(number), contract.namespace, classes).decode


def _same(decode_old: Decode, old: bytes, decode_new: Decode, new: bytes) -> bool:
    """Whether rows that were written with other schemas, perhaps, are the same to this code."""
    try:
        return decode_old(old) == decode_new(new)
    except UndecodableError:
        return False


def _fields(display: Display, old: bytes | None, new: bytes | None) -> dict[str, tuple[Any, Any]]:
    before, after = (_shown(display, value) for value in (old, new))
    names = dict.fromkeys([*before, *after])
    return {name: (before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)}


def _shown(display: Display, value: bytes | None) -> dict[str, Any]:
    if value is None:
        return {}
    try:
        return display.read(value)[1]
    except UndecodableError as error:
        return {"?": str(error)}


def _text(contract: Contract, key: bytes) -> str:
    try:
        return key_text(contract, key)
    except MessageError:
        return repr(key)
