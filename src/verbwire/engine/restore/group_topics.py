"""Compares the topics of a group, as they are on the cluster, with what its topology takes for granted."""

from __future__ import annotations

from verbwire.engine.topic_watch import unlike
from verbwire.engine.topology import Topology
from verbwire.kafka.offsets import ClusterOffsets, TopicIdentity

_TOMBSTONES = "86400000"  # Kafka's own delete.retention.ms, where we may not ask for the topic's


class GroupTopics:
    """Knows a group's topics as they were when they were described last."""

    def __init__(self, topology: Topology, cluster: ClusterOffsets) -> None:
        self._topology = topology
        self._cluster = cluster
        self.identities: dict[str, TopicIdentity] = {}  # replaced, never changed: read from any thread
        self.misconfigured: str | None = None  # which of them are not as they have to be, and why
        self.max_copy_age = 0.0  # seconds, after which a local copy has missed deletions

    def describe(self) -> None:
        """Ask the cluster once; UnavailableError when a topic is not there, or nothing answers."""
        topology, logs = self._topology, [each.topic for each in self._topology.logs]
        own = dict.fromkeys([*topology.inputs, *topology.outputs, *logs])
        sizes = {**topology.targets, **dict.fromkeys(own, topology.partitions)}
        self.identities = self._cluster.topics([*sizes])
        odd = {name: topic.partitions for name, topic in self.identities.items() if topic.partitions != sizes[name]}
        settings = self._cluster.settings(dict.fromkeys([*topology.written, topology.changelog]))
        topology.limits.learn({name: int(its["max.message.bytes"]) for name, its in settings.items()})
        unlikes = "; ".join(unlike(name, found, sizes[name]) for name, found in odd.items())
        self.misconfigured = unlikes or topology.limits.too_small()
        # Deletions leave a compacted log after this time: a copy that missed them for longer cannot be mended.
        tombstones = settings.get(topology.changelog, {}).get("delete.retention.ms", _TOMBSTONES)
        self.max_copy_age = int(tombstones) / 1000 / 2
