"""Topics on the cluster: which are missing, which contradict the plan, and creating them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from verbwire.contracts.schema.model import Catalog
from verbwire.deploy.group_plan import GroupPlan, Topic, context_topics, group_topics
from verbwire.deploy.leaders import await_leaders
from verbwire.deploy.target import Target
from verbwire.errors import DeployError, NotAuthorizedError, UnavailableError
from verbwire.kafka import denials
from verbwire.kafka.connectivity import require_kafka
from verbwire.kafka.librdkafka import LOGGED
from verbwire.redaction import shown_address

_SECONDS = 30.0


class ClusterTopics:
    """The topics on the cluster beside those that are planned."""

    def __init__(self, target: Target) -> None:
        self.notes: list[str] = []
        self._target = target
        self._kafka = {**LOGGED, "log_level": 3, **target.kafka, "bootstrap.servers": target.bootstrap}
        require_kafka(self._kafka)
        self._admin = AdminClient(self._kafka)
        try:
            metadata = self._admin.list_topics(timeout=_SECONDS)
        except KafkaException as error:
            raise UnavailableError(
                f"Kafka at {shown_address(target.bootstrap)} cannot be reached: {error.args[0].str()}"
            ) from error
        self._brokers = [*metadata.brokers.values()]
        self._partitions = {name: len(topic.partitions) for name, topic in metadata.topics.items()}
        self._replication = target.replication or (3 if len(self._brokers) >= 3 else 1)

    def plan(self, catalog: Catalog, groups: Iterable[GroupPlan], owned: set[str]) -> tuple[list[Topic], list[str]]:
        """Return the topics that should stand there, and what contradicts them."""
        names = self._target.names
        topics = context_topics(names, catalog, owned, self._target.partitions)
        planned = {topic.name: topic.partitions for topic in topics}
        problems = []
        for group in groups:
            sizes = {name: planned.get(name) or self._partitions.get(name) for name in group.sized_by(names)}
            problems += [
                f"{group.group} reads {name}, which is not deployed: the project that owns the context deploys it, "
                "this one if it is listed in owned (VERBWIRE_OWNED)"
                for name, n in sizes.items()
                if not n
            ]
            if len(set(sizes.values())) > 1:
                problems.append(f"{group.group} reads topics of different numbers of partitions: {sizes}; re-key one")
            topics += group_topics(names, group, max([n or 1 for n in sizes.values()], default=1))
        return topics, problems + self._contradictions(topics)

    def create(self, topics: Iterable[Topic]) -> list[str]:
        """Create the topics that are missing and return their names."""
        missing = [topic for topic in topics if topic.name not in self._partitions]
        if missing:
            self._create(missing, validate_only=False)
            partitions = {each.name: each.partitions for each in missing}
            self.notes += await_leaders(self._kafka, self._brokers, partitions, _SECONDS)
        return [topic.name for topic in missing]

    def missing(self, topics: Iterable[Topic]) -> list[str]:
        """Return the names of the topics that would be created."""
        return [topic.name for topic in topics if topic.name not in self._partitions]

    def _contradictions(self, topics: Iterable[Topic]) -> list[str]:
        standing = [topic for topic in topics if topic.name in self._partitions]
        missing = [topic for topic in topics if topic.name not in self._partitions]
        problems = [
            f"topic {topic.name} has {self._partitions[topic.name]} partitions, not {topic.partitions}: "
            "another number would move keys, so keep it (VERBWIRE_PARTITIONS)"
            for topic in standing
            if self._partitions[topic.name] != topic.partitions
        ]
        found = self._settings(standing)
        for topic in standing:
            for name, wanted in topic.settings.items():
                actual = found[topic.name].get(name)
                if actual == wanted:
                    continue
                if name == "cleanup.policy":
                    problems.append(
                        f"topic {topic.name} has cleanup.policy={actual}, not {wanted}: is it another project's?"
                    )
                else:
                    self.notes.append(f"topic {topic.name} has {name}={actual}, planned is {wanted}; left alone")
        return problems + (self._create(missing, validate_only=True) if missing else [])

    def _settings(self, topics: Iterable[Topic]) -> dict[str, dict[str, str]]:
        resources = [ConfigResource(ResourceType.TOPIC, topic.name) for topic in topics]
        if not resources:
            return {}
        answers = self._admin.describe_configs(resources, request_timeout=_SECONDS)
        return {
            resource.name: {name: entry.value for name, entry in _answer(answer, resource.name).items()}
            for resource, answer in answers.items()
        }

    def _create(self, topics: Iterable[Topic], *, validate_only: bool) -> list[str]:
        replicated = {"min.insync.replicas": "2" if self._replication >= 3 else "1"}
        wanted = [
            NewTopic(topic.name, topic.partitions, self._replication, config={**topic.settings, **replicated})
            for topic in topics
        ]
        answers = self._admin.create_topics(wanted, operation_timeout=_SECONDS, validate_only=validate_only)
        problems = []
        for name, answer in answers.items():
            try:
                answer.result()
            except KafkaException as error:
                if denials.is_denied(error.args[0]):
                    raise NotAuthorizedError(denials.denied("CREATE", f"TOPIC {name}")) from error
                if error.args[0].name() != "TOPIC_ALREADY_EXISTS":  # another deployment runs at the same time
                    problems.append(f"topic {name}: {error.args[0].str()}")
        if problems and not validate_only:
            raise DeployError("not all topics could be created, deploy again:\n" + "\n".join(problems))
        return problems


def _answer(future: Any, topic: str) -> Any:
    try:
        return future.result()
    except KafkaException as error:
        what, otherwise = f"TOPIC {topic}", "Kafka does not answer"
        raise denials.unavailable(error.args[0], "DESCRIBE_CONFIGS", what, otherwise) from error
