"""The brokers: how many, how new, and whether each partition has the replicas that writing needs."""

from __future__ import annotations

from collections.abc import Iterator

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import ConfigResource, ResourceType

from verbwire.inspection.doctor.diagnosis import Diagnosis, Patient
from verbwire.inspection.reading.cluster_view import SECONDS
from verbwire.inspection.topics import topics

_CHECK = "brokers"
_PROTOCOL = "inter.broker.protocol.version"


def check_brokers(patient: Patient) -> Iterator[Diagnosis]:
    """Look at the cluster, and at the replicas of this project's topics."""
    admin = patient.view.admin
    nodes = admin.describe_cluster(request_timeout=SECONDS).result().nodes
    settings = _settings(patient, nodes[0].id) if nodes else None
    # Kafka's protocol has no version of a broker; the property is gone since 4.0.
    known = "version unknown, its settings may not be read" if settings is None else settings.get(_PROTOCOL)
    patient.facts["Kafka"] = f"{len(nodes)} brokers, {known or '4.0 or later'}"
    yield from _replicas(patient)


def _settings(patient: Patient, broker: int) -> dict[str, str] | None:
    resource = ConfigResource(ResourceType.BROKER, str(broker))
    (answer,) = patient.view.admin.describe_configs([resource], request_timeout=SECONDS).values()
    try:
        return {name: entry.value for name, entry in answer.result().items()}
    except KafkaException:  # not every principal may ask
        return None


def _replicas(patient: Patient) -> Iterator[Diagnosis]:
    cluster = patient.view.offsets("")
    names = sorted(cluster.topic_identities([each.name for each in topics(patient.view.project)]))
    settings = cluster.settings(names)
    answers = patient.view.admin.describe_topics(TopicCollection(names), request_timeout=SECONDS) if names else {}
    for name, answer in answers.items():
        partitions = answer.result().partitions
        least = int(settings.get(name, {}).get("min.insync.replicas", "1"))
        replicas = min(len(each.replicas) for each in partitions)
        in_sync = min(len(each.isr) for each in partitions)
        headless = [each.id for each in partitions if each.leader is None or not each.isr]
        if least > replicas:
            yield Diagnosis(
                check=_CHECK,
                about=name,
                what=f"min.insync.replicas is {least}, a partition has {replicas} replicas: nobody can write to it",
                do=f"set min.insync.replicas of {name} to {max(1, replicas - 1)}, or give it more replicas",
                grave=True,
            )
        elif headless or in_sync < least:
            yield Diagnosis(
                check=_CHECK,
                about=name,
                what=f"a partition has {in_sync} replicas in sync, writing needs {least}",
                do="bring the missing brokers back",
                grave=True,
            )
        elif in_sync < replicas:
            yield Diagnosis(
                check=_CHECK,
                about=name,
                what=f"a partition has {in_sync} of {replicas} replicas in sync",
                do="look at the brokers that are behind or away",
            )
