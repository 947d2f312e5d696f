"""Notices that topics change under running groups: one request to the cluster for all of them, every few seconds.

A consumer does not learn by itself that partitions were added to a topic, or that a topic was deleted and created
again: keys are hashed elsewhere from then on, offsets are those of another topic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from verbwire.kafka.cluster_watch import ClusterWatch
from verbwire.kafka.offsets import ClusterOffsets, TopicIdentity

WATCH_SECONDS = 2.0


class Watched(Protocol):
    """A group whose topics are watched."""

    @property
    def topics(self) -> Mapping[str, TopicIdentity]:
        """They, as they were when its partitions were restored last."""
        ...

    refresh_topics: Callable[[], None]  # lets its consumer group ask for its topics at once

    def stop_all(self, why: str) -> None:
        """Stop all its partitions until an operator decides."""
        ...


def difference(before: Mapping[str, TopicIdentity], now: Mapping[str, TopicIdentity], gone: set[str]) -> str | None:
    """Return what has become of a group's topics, None where they are what they were; `gone` are not there any more."""
    said = [f"{name} is not there any more" for name in before if name in gone]
    for name, topic in before.items():
        found = now.get(name, topic)
        if found.id != topic.id:
            said.append(f"{name} was deleted and made again")
        elif found.partitions != topic.partitions:
            said.append(unlike(name, found.partitions, topic.partitions))
    return "; ".join(said) or None


def unlike(topic: str, found: int, wanted: int) -> str:
    """Return what is said of a topic that has another number of partitions than the rest of its group's."""
    return (
        f"{topic} has {found} partitions, the group's other topics have {wanted}: keys are in other partitions than "
        "their rows. Kafka takes no partitions back: create the topic again with the old number and put its records "
        "back key by key, or move to new topics (another VERBWIRE_PREFIX) and read everything in again"
    )


class TopicWatch(ClusterWatch):
    """Compares the topics of running groups with those that they know."""

    def __init__(self, kafka: dict[str, str], groups: Callable[[], Sequence[Watched]]) -> None:
        super().__init__("watching the topics", WATCH_SECONDS)
        self._cluster = ClusterOffsets(kafka, "")
        self._groups = groups
        self._missed: set[str] = set()
        self._seen: dict[str, TopicIdentity] = {}

    def start(self) -> None:
        """Begin, once the groups have connected: what they know of their topics is what is compared with."""
        if self._groups():
            super().start()

    def look(self) -> None:
        """Compare once. A topic has to be missing twice: a broker that has just started does not know all of them."""
        asked = {group: group.topics for group in self._groups()}
        now = self._cluster.topic_identities([*{name for topics in asked.values() for name in topics}])
        missing = {name for topics in asked.values() for name in topics if name not in now}
        gone, self._missed = missing & self._missed, missing
        if not self._seen:  # as they were when the groups connected: a change since then counts
            self._seen = {name: topic for topics in asked.values() for name, topic in topics.items()}
        news = {name for name, topic in now.items() if self._seen.get(name) != topic}
        self._seen = now
        for group, before in asked.items():
            if not news.isdisjoint(before):
                group.refresh_topics()
            if (why := difference(before, now, gone)) and group.topics is before:
                group.stop_all(f"its topics have changed: {why}")
