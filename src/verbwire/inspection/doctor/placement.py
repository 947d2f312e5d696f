"""Whether records lie in the partitions of their keys: murmur2 is computed again for a sample of each partition."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing

from confluent_kafka import Consumer, TopicPartition

from verbwire.inspection.cluster_view import ClusterView, kafka_errors
from verbwire.inspection.doctor.diagnosis import Diagnosis, Patient
from verbwire.inspection.topology import NodeKind, topology
from verbwire.kafka.offsets import TP
from verbwire.kafka.readers import read_to_end, reader_properties
from verbwire.names import INSPECTION_READER
from verbwire.wire.partitioner import partition_of

_CHECK = "key placement"
_SAMPLE = 200  # places at the end of each partition


def check_placement(patient: Patient) -> Iterator[Diagnosis]:
    """Look at the last records of commands and events: a producer of another partitioner tears keys apart."""
    looked = 0
    view = patient.view
    cluster = view.offsets("")
    kinds = (NodeKind.COMMANDS, NodeKind.EVENTS)
    names = [node.name for node in topology(view.project).nodes if node.kind in kinds]
    for topic, found in sorted(cluster.topic_identities(names).items()):
        places = [(topic, partition) for partition in range(found.partitions)]
        starts, ends = cluster.starts(places), cluster.stable_ends(places)
        wrong: dict[str, list[str]] = defaultdict(list)
        for partition, offset, key in _sample(view, places, starts, ends):
            looked += 1
            if key is None:
                wrong["has no key"].append(f"{partition}/{offset}")
            elif (right := partition_of(key, found.partitions)) != partition:
                wrong[f"belongs into partition {right}"].append(f"{partition}/{offset}")
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


def _sample(
    view: ClusterView, places: Sequence[TP], starts: Mapping[TP, int], ends: Mapping[TP, int]
) -> Iterator[tuple[int, int, bytes | None]]:
    wanted = [
        TopicPartition(*place, max(starts[place], ends[place] - _SAMPLE))
        for place in places
        if ends[place] > starts[place]
    ]
    if not wanted:
        return
    properties = reader_properties(view.kafka, INSPECTION_READER, fetch_wait_max_ms=20, queued_max_messages_kbytes=4096)
    with closing(Consumer(properties)) as consumer, kafka_errors(f"TOPIC {places[0][0]}"):
        for message in read_to_end(consumer, wanted):
            yield message.partition() or 0, message.offset() or 0, message.key()
