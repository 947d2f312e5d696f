"""Maps positions in a group's sources to positions in its repartition topic, for read-your-writes.

An event of a re-keyed table counts in a partition that need not be its own. Once the group has committed a source up
to some place, all that was forwarded of it stands in the repartition topic, and a partition that has read that to the
end it had then has seen it. To the end with open transactions: that the offsets are committed does not say that the
mark of the same transaction stands in the other topic already.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from verbwire.kafka.offsets import TP, ClusterOffsets


@dataclass(frozen=True)
class _Resolved:
    """Sources that were committed up to here before the ends were looked at."""

    committed: dict[TP, int] = field(default_factory=dict)
    ends: dict[TP, int] = field(default_factory=dict)


class RepartitionProgress:
    """Maps the source positions of one group by what it has committed.

    May be used by several threads; every call may wait for the broker.
    """

    def __init__(self, cluster: ClusterOffsets, sources: Iterable[str], topic: str, partitions: int) -> None:
        self.topic = topic
        self.sources = frozenset(sources)
        self._cluster = cluster
        self._places = [(topic, partition) for partition in range(partitions)]
        self._resolved = _Resolved()  # replaced, never changed

    def resolved(self, wanted: Mapping[TP, int]) -> dict[TP, int] | None:
        """Map source positions to end offsets of the repartition topic; None if not yet known."""
        resolved = self._resolved
        return resolved.ends if _reached(self._needed(wanted), resolved.committed) else None

    def resolve(self, asked: Sequence[Mapping[TP, int]], applied: Mapping[TP, int]) -> list[dict[TP, int] | None]:
        """Map several at once, asking the cluster; None for those whose sources are behind.

        `applied` are sources whose progress is known without asking. UnavailableError when the broker is silent.
        """
        resolved, needed = self._resolved, [self._needed(each) for each in asked]
        committed = {**resolved.committed, **applied}
        late = {place for each in needed for place, offset in each.items() if committed.get(place, 0) < offset}
        if late:
            committed |= {place: each.offset or 0 for place, each in self._cluster.stable(late).items()}
        if any(_reached(each, committed) and not _reached(each, resolved.committed) for each in needed):
            ends = self._cluster.ends(self._places)  # after the sources: their part is in it
            self._resolved = _Resolved(committed, ends)
        return [self.resolved(each) for each in asked]

    def _needed(self, wanted: Mapping[TP, int]) -> dict[TP, int]:
        return {place: offset for place, offset in wanted.items() if place[0] in self.sources}


def _reached(needed: Mapping[TP, int], committed: Mapping[TP, int]) -> bool:
    return all(committed.get(place, 0) >= offset for place, offset in needed.items())
