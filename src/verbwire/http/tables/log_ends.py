"""Checks positions against the ends of their logs: a request must not wait for what lies behind them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from verbwire.errors import UnavailableError
from verbwire.http.base import problem_types
from verbwire.http.base.coalescing import CoalescedCalls
from verbwire.http.base.problem import HttpProblem
from verbwire.http.base.thread_pool import BoundedThreadPool
from verbwire.wire.positions import HEADER, Positions

ASK_SECONDS = 0.02  # for which lookups are gathered: most waits are over by then, and ask nothing
TP = tuple[str, int]


class TopicEnds(Protocol):
    """A topic that is there."""

    @property
    def partitions(self) -> int:
        """How many it has."""
        ...


class LogEndSource(Protocol):
    """What Kafka is asked."""

    def ends(self, wanted: Iterable[TP]) -> Mapping[TP, int]:
        """Return each log's high watermark: not the last stable offset, a transaction may be visible before that."""
        ...

    def topic_identities(self, names: Sequence[str]) -> Mapping[str, TopicEnds]:
        """Return those of the topics that are there."""
        ...


class LogEnds:
    """The ends of what one table reads, as Kafka tells them: asked when a position is behind those that are known.

    A record is acknowledged by all replicas in sync before anybody is told of its offset, so what was seen lies below
    the high watermark; a leader that has just been elected answers only once it knows that (KIP-207). What is known
    here may be older than what another process has seen, so a refusal is always by an answer to a later question.
    """

    def __init__(self, cluster: LogEndSource, partitions: int, readers: BoundedThreadPool) -> None:
        self._cluster = cluster
        self._partitions = partitions
        self._known: Positions = {}
        self._together = CoalescedCalls(self._look, readers, ASK_SECONDS)

    async def require(self, wanted: Positions) -> None:
        """Raise 400 ``bad_position`` for positions beyond a log's end; nothing where Kafka does not answer."""
        if all(offset <= self._known.get(place, -1) for place, offset in wanted.items()):
            return
        try:
            wrong = await self._together.ask(wanted)
        except UnavailableError:
            return
        if wrong is not None:
            (topic, partition), offset = wrong, wanted[wrong]
            raise HttpProblem(
                problem_types.BAD_POSITION,
                f"{HEADER}: {topic}={partition}:{offset} is beyond the end of that partition; if the topic was "
                "recreated since, discard the positions seen before: a new client starts without any",
            )

    def _look(self, asked: Sequence[Positions]) -> list[TP | None]:
        """Return of each the first place that is none; its bounds in work are the table's, whatever is asked."""
        places = {place for each in asked for place in each}
        topics = {topic for topic, partition in places if partition >= self._partitions}
        counts = {name: found.partitions for name, found in self._cluster.topic_identities(sorted(topics)).items()}
        ends = self._cluster.ends(place for place in places if place[1] < self._partitions)
        self._known = {**self._known, **ends}

        def is_there(place: TP, offset: int) -> bool:
            topic, partition = place
            return offset <= ends[place] if partition < self._partitions else partition < counts.get(topic, 0)

        return [next((place for place, offset in each.items() if not is_there(place, offset)), None) for each in asked]
