"""Whether records lie in the partitions of their keys: murmur2 is computed again for a sample of each partition."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from confluent_kafka import Message

from verbwire.inspection.doctor.diagnosis import Diagnosis, Patient
from verbwire.inspection.reading.cluster import OpenCluster, Span
from verbwire.inspection.topology import NodeKind, topology
from verbwire.wire.partitioner import partition_of

_CHECK = "key placement"
_SAMPLE = 200  # places at the end of each partition


def check_placement(patient: Patient) -> Iterator[Diagnosis]:
    """Look at the last records of commands and events: a producer of another partitioner tears keys apart."""
    looked = 0
    cluster = OpenCluster(patient.view)
    kinds = (NodeKind.COMMANDS, NodeKind.EVENTS)
    names = {node.name for node in topology(cluster.project).nodes if node.kind in kinds}
    for topic in sorted(names & cluster.partitions.keys()):
        wrong: dict[str, list[str]] = defaultdict(list)
        for message in _sample(cluster, topic):
            looked += 1
            key, place = message.key(), f"{message.partition()}/{message.offset()}"
            if key is None:
                wrong["has no key"].append(place)
            elif (right := partition_of(key, cluster.partitions[topic])) != message.partition():
                wrong[f"belongs into partition {right}"].append(place)
        for how, where in wrong.items():
            yield Diagnosis(
                check=_CHECK,
                about=topic,
                what=f"{len(where)} of the newest records lie wrong: {where[0]} {how}",
                do="a producer computes partitions otherwise (librdkafka: partitioner=murmur2_random), or the number "
                "of partitions was changed: stop it, what it wrote has no order with the rest of its keys",
                grave=True,
            )
    patient.facts["key placement"] = f"{looked:,} records computed again"


def _sample(cluster: OpenCluster, topic: str) -> Iterator[Message]:
    spans = cluster.spans(cluster.all_places([topic]))
    return cluster.read({place: Span(max(span.start, span.end - _SAMPLE), span.end) for place, span in spans.items()})
