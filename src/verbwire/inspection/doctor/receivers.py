"""One receiver for each command: who else reads a topic of commands at the broker."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing

from confluent_kafka import Consumer, TopicPartition

from verbwire.inspection.doctor.diagnosis import Diagnosis, Patient
from verbwire.inspection.reading.cluster_view import SECONDS, ClusterView, kafka_errors
from verbwire.inspection.topology import EdgeKind, NodeKind, topology
from verbwire.kafka.librdkafka import LOGGED
from verbwire.kafka.recreatable import PATIENT

_CHECK = "one receiver"
_ASKED = 100  # groups without members, whose commits are looked at


def check_receivers(patient: Patient) -> Iterator[Diagnosis]:
    """Look at all groups of the cluster: members on a topic of commands, or offsets that were committed there."""
    view = patient.view
    receivers = _receivers(view)
    partitions = {name: found.partitions for name, found in view.offsets("").topic_identities([*receivers]).items()}
    with kafka_errors("the groups"):
        listed = view.admin.list_consumer_groups(request_timeout=SECONDS).result().valid
        ids = sorted({each.group_id for each in listed} - set(receivers.values()))
        answers = view.admin.describe_consumer_groups(ids, request_timeout=SECONDS) if ids else {}
        described = {group: answer.result() for group, answer in answers.items()}
    patient.facts["consumer groups"] = f"{len(listed)} on the cluster"
    idle = []
    for group, found in described.items():
        topics = {place.topic for each in found.members for place in each.assignment.topic_partitions}
        for topic in sorted(topics & receivers.keys()):
            yield _second(topic, receivers[topic], group, f"{len(found.members)} members of it read")
        if not found.members:
            idle.append(group)
    if len(idle) > _ASKED:
        view.unknown["commits of idle groups"] = f"{len(idle) - _ASKED} of {len(idle)} groups were not looked at"
    for group in idle[:_ASKED]:
        for topic in sorted(_committed_on(view, group, partitions)):
            yield _second(topic, receivers[topic], group, "it has no members now, but has committed there")


def _receivers(view: ClusterView) -> dict[str, str]:
    """By the topic of its commands the group that is to decide them, on the cluster; of contexts received here."""
    flow = topology(view.project)
    return {
        node.name: view.names.group(flow.node(edge.target).name)
        for node in flow.nodes
        if node.kind is NodeKind.COMMANDS
        for edge in flow.edges_from(node.id, EdgeKind.RECEIVES)
    }


def _committed_on(view: ClusterView, group: str, partitions: Mapping[str, int]) -> set[str]:
    """The topics on which a group has committed. Asked by a consumer: see `verbwire.kafka.offsets`."""
    places: Sequence[TopicPartition] = [TopicPartition(name, at) for name, n in partitions.items() for at in range(n)]
    conf = {**PATIENT, **LOGGED, **view.kafka, "log_level": 2, "group.id": group, "enable.auto.commit": False}
    with closing(Consumer(conf)) as consumer, kafka_errors(f"the offsets of {group}"):
        return {each.topic for each in consumer.committed([*places], SECONDS) if each.offset >= 0}


def _second(topic: str, receiver: str, group: str, how: str) -> Diagnosis:
    return Diagnosis(
        check=_CHECK,
        about=topic,
        what=f"the group {group} receives these commands, too: {how}; their receiver is {receiver}",
        do=f"a command has one receiver: stop {group}, and let it read events instead; where it is gone, delete "
        f"the group (kafka-consumer-groups.sh --delete --group {group})",
        grave=True,
    )
