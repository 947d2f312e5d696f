"""Decides where a restored partition reads its inputs on, or why it must not.

The group's offsets are the truth, the log's positions are the second witness: where the broker forgot an idle group's
offsets (after 7 days), the log still knows how far its rows are.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from verbwire.engine.code.facts import FoldedBy
from verbwire.engine.code.watch import CodeWatch
from verbwire.engine.restore.group_topics import GroupTopics
from verbwire.engine.restore.kept_copy import KeptCopy
from verbwire.engine.restore.log_completeness import LogState, decided, recovery_advice, require_both
from verbwire.engine.restore.resume import read_from, require_same, require_unread
from verbwire.engine.restore.topic_identity import read_topics, recreated
from verbwire.engine.state.store import PartitionStore
from verbwire.engine.topology import Topology
from verbwire.errors import EngineError
from verbwire.kafka.broker_clock import CLOCKS_APART
from verbwire.kafka.offsets import Committed


class InputOffsets(NamedTuple):
    """One input's partition on the broker: the group's offset, the first offset that it holds, its end."""

    committed: Committed
    first: int
    end: int


class StartPositions:
    """Decides for the partitions of one group."""

    def __init__(self, topology: Topology, topics: GroupTopics, watch: CodeWatch) -> None:
        self._topology = topology
        self._topics = topics
        self._watch = watch

    def of(
        self,
        partition: int,
        store: PartitionStore,
        inputs: Mapping[str, InputOffsets],
        logs: Sequence[LogState],
        kept: KeptCopy | None,
    ) -> tuple[dict[str, int], FoldedBy]:
        """Return the offset to read each input from, and the code that has folded the rows.

        `logs` and `kept` are the partition's logs and its copy as they were before the restore. EngineError where the
        partition must not go on.
        """
        applied, repartition_topic = store.inputs(), self._topology.repartition
        committed = {topic: each.committed for topic, each in inputs.items()}
        if not decided(committed, self._topology):
            require_both(logs, kept, applied, recovery_advice(self._topology))
        self._require_same_topics(store, committed, applied)
        code = self._watch.go_on(partition, store, _reached(committed, applied))
        _require_past(self._topology, store.time())
        if repartition_topic is not None and repartition_topic not in applied:
            require_unread(repartition_topic, inputs[repartition_topic].committed, inputs[repartition_topic].first)
        starts = {
            topic: read_from(topic, each.committed, applied.get(topic), each.first, each.end)
            for topic, each in inputs.items()
        }
        return starts, code

    def _require_same_topics(
        self, store: PartitionStore, committed: Mapping[str, Committed], applied: dict[str, int]
    ) -> None:
        """See that positions and rows are of the topics that are there now; forget those that are not."""
        now = {name: topic.id for name, topic in self._topics.identities.items()}
        known, logs = read_topics(store.facts()), [each.topic for each in self._topology.logs]
        if (lost := recreated(known, now, logs)) and not decided(committed, self._topology):
            raise EngineError(
                f"{', '.join(lost)} was deleted and made again while the group was at work, and what it held is gone. "
                + recovery_advice(self._topology)
            )
        for topic in recreated(known, now, self._topology.inputs):
            require_same(topic, committed[topic], applied.get(topic))
            applied.pop(topic, None)
            store.forget_input(topic)


def _require_past(topology: Topology, time_us: int | None) -> None:
    """A partition's time was an event's, and no event's is further than `ahead` of the broker's."""
    if topology.window is None or time_us is None:
        return
    ahead = time_us / 1e6 - time.time()
    if ahead > (topology.window.ahead + CLOCKS_APART).total_seconds():
        raise EngineError(
            f"the newest event time in {topology.changelog} is {ahead / 86400:.1f} days ahead of now: such an event "
            "has closed the windows of all others, and they are missing. Rebuild the table: delete its changelog and "
            "the group's offsets, deploy again. Or, where such times are right, let the window take them (ahead=...)"
        )


def _reached(committed: Mapping[str, Committed], applied: Mapping[str, int]) -> dict[str, int]:
    """Return how far the inputs have been read, those of which anything was."""
    return {
        topic: max(each.offset or 0, applied.get(topic, 0))
        for topic, each in committed.items()
        if each.offset is not None or topic in applied
    }
