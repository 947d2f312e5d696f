"""How many keys and records are parked in each group, counted in the groups' logs: no worker has to run."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from verbwire.client.base.connection import Connection
from verbwire.deploy.group_plan import GroupPlan
from verbwire.kafka.offsets import ClusterOffsets
from verbwire.parking.log_reader import read_parked


class ParkedCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many keys cannot go on, and how many records wait with them."""

    keys: int = 0
    records: int = 0


class ParkedCounter:
    """Counts again and again; a log is read again only when something was written to it."""

    def __init__(self, connection: Connection, cluster: ClusterOffsets, plans: Sequence[GroupPlan]) -> None:
        names = connection.names
        self._connection, self._cluster = connection, cluster
        self._topics = {names.parked(names.group(each.group)): each.group for each in plans if each.parks}
        self._counted: dict[str, tuple[list[int], ParkedCount]] = {}

    def counts(self) -> dict[str, ParkedCount]:
        """Return what is parked by group, of all that may park; :class:`UnavailableError` where it cannot be read."""
        there = self._cluster.topic_identities([*self._topics])
        places = {topic: [(topic, each) for each in range(found.partitions)] for topic, found in there.items()}
        ends = self._cluster.stable_ends([place for some in places.values() for place in some])
        found = {topic: self._count(topic, [ends[place] for place in some]) for topic, some in places.items()}
        return {group: found.get(topic, ParkedCount()) for topic, group in self._topics.items()}

    def _count(self, topic: str, ends: list[int]) -> ParkedCount:
        before = self._counted.get(topic)
        if before is not None and before[0] == ends:
            return before[1]
        counted = ParkedCount()
        if any(ends):
            parked = read_parked(self._connection, topic)
            counted = ParkedCount(keys=len(parked), records=sum(map(len, parked.values())))
        self._counted[topic] = ends, counted
        return counted
