"""Makes topics and schemas on the cluster what the contracts say; the only place that creates either.

Idempotent, and careful: what contradicts the contracts is found before anything is changed. Settings of existing
topics that somebody has tuned are reported and left alone, since a shorter retention would delete their records.
"""

from __future__ import annotations

import time
from collections.abc import Container, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from verbwire.contracts.checks.evolution import BOTH_WAYS, gone, new_changes
from verbwire.contracts.checks.findings import Severity
from verbwire.contracts.schema.model import Catalog, Contract, Schema
from verbwire.errors import ContractError, DeployError, NotAuthorizedError, UnavailableError
from verbwire.kafka import denials
from verbwire.kafka.connectivity import require_kafka
from verbwire.kafka.librdkafka import LOGGED
from verbwire.messages import Kind
from verbwire.names import Names
from verbwire.redaction import shown_address
from verbwire.wire.records.outcomes import OUTCOME
from verbwire.wire.records.workers import WORKER
from verbwire.wire.registry.client import Registry
from verbwire.wire.registry.read_back import require_read_back
from verbwire.wire.topics import GroupPlan, Topic, context_topics, group_topics

_SECONDS = 30.0
_LEVELS = {kind: "FULL_TRANSITIVE" if kind in BOTH_WAYS else "BACKWARD_TRANSITIVE" for kind in Kind}


@dataclass(frozen=True)
class Target:
    """The cluster that is deployed to. `replication` 0 means 3 where there are three brokers, else 1."""

    bootstrap: str = field(repr=False)
    registry: str = field(repr=False)
    names: Names
    kafka: Mapping[str, Any] = field(default_factory=dict, repr=False)  # librdkafka properties, passed through
    registry_conf: Mapping[str, Any] = field(default_factory=dict, repr=False)
    partitions: int = 12
    replication: int = 0


@dataclass(frozen=True)
class DeployReport:
    """What a deployment changed, and what it found otherwise than planned and left alone."""

    topics: tuple[str, ...] = ()  # created
    schemas: tuple[str, ...] = ()  # subjects with a new version
    levels: tuple[str, ...] = ()  # subjects with a new compatibility level
    notes: tuple[str, ...] = ()
    unchanged: int = 0  # topics and schemas
    dry_run: bool = False  # nothing was changed: this is what would be
    planned: frozenset[str] = frozenset()  # all topics that should stand there
    undeclared: tuple[str, ...] = ()  # subjects of the owned namespaces that no contract is about any more
    versions: Mapping[str, Sequence[Schema]] = field(default_factory=dict)  # before each that is new, the newest first

    @property
    def changed(self) -> bool:
        """Whether anything was changed."""
        return bool(self.topics or self.schemas or self.levels)

    def facts(self) -> dict[str, Any]:
        """The report for programs."""
        return {
            "dry_run": self.dry_run,
            "topics": list(self.topics),
            "schemas": list(self.schemas),
            "levels": list(self.levels),
            "notes": list(self.notes),
            "unchanged": self.unchanged,
        }

    def lines(self) -> list[str]:
        """The report for people, one line for each thing."""
        return [
            *(f"{'would create' if self.dry_run else 'created'} topic {name}" for name in self.topics),
            *(f"{'would register' if self.dry_run else 'registered'} {subject}" for subject in self.schemas),
            *(f"{'would set' if self.dry_run else 'set'} compatibility of {subject}" for subject in self.levels),
            *(f"note: {note}" for note in self.notes),
            f"{self.unchanged} topics and schemas unchanged" if self.changed else "nothing to change",
        ]


def deploy(
    target: Target,
    catalog: Catalog,
    groups: Iterable[GroupPlan],
    owned: Iterable[str] | None = None,
    retired: Container[str] = (),
    dry_run: bool = False,
) -> DeployReport:
    """Create the topics and register the schemas of the `owned` namespaces (default: all of the catalog).

    A `dry_run` changes nothing and reports what would be; the registry judges only where its level is right already.

    A schema is compared with all its versions by our own rules, beside the registry's. An event or command of a
    namespace that a group receives, which the registry knows and the catalog does not, is to be among those `retired`.
    :class:`DeployError` lists everything that contradicts the contracts; nothing was changed then. A deployment
    that is interrupted is completed by the next one. :class:`UnavailableError` when broker or registry are silent.
    """
    namespaces = {contract.namespace for contract in catalog} if owned is None else set(owned)
    groups, cluster = list(groups), _Cluster(target)
    with closing(Registry(target.registry, target.registry_conf)) as registry:
        schemas = _Schemas(registry, target.names, retired, dry_run)
        return _deploy(cluster, schemas, catalog, groups, namespaces, dry_run)


def _deploy(
    cluster: _Cluster,
    schemas: _Schemas,
    catalog: Catalog,
    groups: Iterable[GroupPlan],
    namespaces: set[str],
    dry_run: bool,
) -> DeployReport:
    # 1. What should stand there, and what contradicts it.
    topics, problems = cluster.plan(catalog, groups, namespaces)
    problems += schemas.plan(catalog, namespaces)
    problems += schemas.missed(
        catalog, {each for group in groups if group.reads is Kind.COMMAND for each in group.namespaces}
    )
    if problems:
        schemas.undo()
        raise DeployError("nothing was changed:\n" + "\n".join(f"- {problem}" for problem in problems))
    if dry_run:
        created, registered = cluster.missing(topics), schemas.new()
    else:
        # 2. Schemas first: a topic without them would be of no use to anybody.
        registered = schemas.register()
        # 3. Topics.
        created = cluster.create(topics)
    planned = len(topics) + len(schemas.contracts)
    return DeployReport(
        topics=tuple(created),
        schemas=tuple(registered),
        levels=tuple(schemas.levels),
        notes=(*cluster.notes, *schemas.notes, *schemas.strange(catalog, namespaces)),
        unchanged=planned - len(created) - len(registered),
        dry_run=dry_run,
        planned=frozenset(topic.name for topic in topics),
        undeclared=tuple(schemas.undeclared(catalog, namespaces)),
        versions=schemas.versions,
    )


class _Cluster:
    """The topics that stand on the broker, and those that should."""

    def __init__(self, target: Target) -> None:
        self.notes: list[str] = []
        self._target = target
        kafka = {**LOGGED, "log_level": 3, **target.kafka, "bootstrap.servers": target.bootstrap}
        require_kafka(kafka)
        self._admin = AdminClient(kafka)
        try:
            metadata = self._admin.list_topics(timeout=_SECONDS)
        except KafkaException as error:
            raise UnavailableError(
                f"Kafka at {shown_address(target.bootstrap)} cannot be reached: {error.args[0].str()}"
            ) from error
        self._partitions = {name: len(topic.partitions) for name, topic in metadata.topics.items()}
        self._replication = target.replication or (3 if len(metadata.brokers) >= 3 else 1)

    def plan(self, catalog: Catalog, groups: Iterable[GroupPlan], owned: set[str]) -> tuple[list[Topic], list[str]]:
        """Return the topics that should stand there, and what contradicts them."""
        names = self._target.names
        topics = context_topics(names, catalog, owned, self._target.partitions)
        planned = {topic.name: topic.partitions for topic in topics}
        problems = []
        for group in groups:
            sizes = {name: planned.get(name) or self._partitions.get(name) for name in group.inputs(names)}
            problems += [
                f"{group.group} reads {name}, which nobody has deployed: that does the project whose context it is, "
                "this one if it is among those owned (VERBWIRE_OWNED)"
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
            self._await_leaders(missing)
        return [topic.name for topic in missing]

    def missing(self, topics: Iterable[Topic]) -> list[str]:
        """Return the names of the topics that would be created."""
        return [topic.name for topic in topics if topic.name not in self._partitions]

    def _await_leaders(self, topics: Iterable[Topic]) -> None:
        # The controller answers before the brokers know: until then a client would be told that there is no such topic.
        deadline = time.monotonic() + _SECONDS
        waiting = {topic.name: topic.partitions for topic in topics}
        while waiting:
            found = self._admin.list_topics(timeout=_SECONDS).topics
            led = {name: [each.leader >= 0 for each in topic.partitions.values()] for name, topic in found.items()}
            waiting = {name: n for name, n in waiting.items() if sum(led.get(name, ())) < n}
            if waiting and time.monotonic() > deadline:
                raise UnavailableError(f"created, but without leaders yet: {', '.join(waiting)}; look at the brokers")
            time.sleep(0.02 if waiting else 0)

    def _contradictions(self, topics: Iterable[Topic]) -> list[str]:
        standing = [topic for topic in topics if topic.name in self._partitions]
        missing = [topic for topic in topics if topic.name not in self._partitions]
        problems = [
            f"topic {topic.name} has {self._partitions[topic.name]} partitions, not {topic.partitions}: "
            "with another number keys would move, so keep it (VERBWIRE_PARTITIONS)"
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
                    problems.append(f"topic {topic.name} has cleanup.policy={actual}, not {wanted}: is it another's?")
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
                if error.args[0].name() != "TOPIC_ALREADY_EXISTS":  # somebody deploys at the same time
                    problems.append(f"topic {name}: {error.args[0].str()}")
        if problems and not validate_only:
            raise DeployError("not all topics could be created, deploy again:\n" + "\n".join(problems))
        return problems


class _Schemas:
    """The schemas that stand in the registry, and those that should."""

    def __init__(self, registry: Registry, names: Names, retired: Container[str], dry_run: bool) -> None:
        self.contracts: list[Contract] = []
        self.registered: list[str] = []
        self.levels: list[str] = []
        self.notes: list[str] = []
        self.versions: dict[str, Sequence[Schema]] = {}  # of what is new, those before it
        self._registry = registry
        self._names = names
        self._retired = retired
        self._dry_run = dry_run
        self._undo: list[tuple[str, str | None]] = []
        self._new: list[Contract] = []
        self._all: list[str] | None = None

    def plan(self, catalog: Catalog, owned: set[str]) -> list[str]:
        """Find what is new, and return what the registry would refuse.

        A registry judges by the level that is set, so the right one is set first; :meth:`undo` takes it back.
        """
        self.contracts = [contract for contract in catalog if contract.namespace in owned]
        if any(contract.kind is Kind.COMMAND for contract in self.contracts):
            self.contracts.append(OUTCOME)
        self.contracts.append(WORKER)
        problems = []
        for contract in self.contracts:
            subject, level = self._names.subject(contract.name), _LEVELS[contract.kind]
            latest = self._registry.latest(subject)
            if latest is not None:
                before = self._registry.compatibility(subject)
                if before != level:
                    self._set_level(subject, before, level)
            if self._registry.find(subject, contract.text) is None:
                self._new.append(contract)
                self.versions[contract.name] = ()
                if latest is not None:
                    problems += self._contradictions(contract, subject, level)
        return problems

    def _set_level(self, subject: str, before: str | None, level: str) -> None:
        self.levels.append(subject)
        if not self._dry_run:
            self._registry.set_compatibility(subject, level)
            self._undo.append((subject, before))

    def _contradictions(self, contract: Contract, subject: str, level: str) -> list[str]:
        """What a new version contradicts of all before it: by our rules, and by the registry's."""
        versions = self.versions[contract.name] = self._records(subject)
        found = new_changes(versions, contract.schema)
        self.notes += [f"schema {subject}: {each.text}" for each in found if each.severity is not Severity.ERROR]
        errors = [each.text for each in found if each.severity is Severity.ERROR]
        judges = not (self._dry_run and subject in self.levels)  # by the level that is set
        if not errors and judges and not self._registry.is_compatible(subject, contract.text):
            errors = ["the registry refuses it; compare it with the versions there"]
        return [f"schema {subject} is not {level}: {each}" for each in errors]

    def missed(self, catalog: Catalog, received: set[str]) -> list[str]:
        """Return what is to be said of messages that the registry knows and the catalog does not.

        Of the namespaces alone whose commands are received here: of others a catalog may hold a part, to hear it.
        """
        ours = {self._names.subject(namespace): namespace for namespace in received}
        newest: dict[str, Schema] = {}
        for subject in self._subjects():
            namespace, _, short = subject.rpartition(".")
            name = f"{ours.get(namespace)}.{short}"
            if namespace in ours and name not in catalog.contracts and name not in self._retired:
                schema = self._registry.latest(subject)
                newest |= {name: schema} if schema is not None and _is_record(schema) else {}
        return [change.text for change in gone(newest, catalog, self._retired).values()]

    def _records(self, subject: str) -> list[Schema]:
        """The versions of a subject, the newest first, but for what somebody registered there that is no record."""
        return [schema for _, schema in self._registry.versions(subject) if _is_record(schema)]

    def undo(self) -> None:
        """Take back the levels that :meth:`plan` had to set."""
        for subject, before in self._undo:
            self._registry.reset_compatibility(subject, before)

    def new(self) -> list[str]:
        """Return the subjects that get a new version."""
        return [self._names.subject(contract.name) for contract in self._new]

    def strange(self, catalog: Catalog, owned: set[str]) -> list[str]:
        """Return what is to be noted of the contracts of others: copies that are none of their versions.

        Events are read by the rules of resolution; a command is sent in a version that is registered, or not at all.
        """
        others = [(self._names.subject(each.name), each.text) for each in catalog if each.namespace not in owned]
        unknown = [subject for subject, text in others if self._registry.find(subject, text) is None]
        return unknown and [
            f"of other projects, but not registered by them in the version at hand: {', '.join(unknown)}; copy their "
            "files again, or wait for their deployment: a command among them cannot be sent until then"
        ]

    def undeclared(self, catalog: Catalog, owned: set[str]) -> list[str]:
        """Return the subjects of the owned namespaces that no contract is about any more."""
        ours = {self._names.subject(namespace) for namespace in owned}
        known = {self._names.subject(contract.name) for contract in catalog}
        return sorted(each for each in self._subjects() if each.rpartition(".")[0] in ours and each not in known)

    def _subjects(self) -> list[str]:
        if self._all is None:
            self._all = self._registry.all_subjects()
        return self._all

    def register(self) -> list[str]:
        """Register what is new, each subject with its level; return the subjects.

        The registry has to give back what it was given.

        Our own contract is asked back in any case: a deployment that failed for that must not succeed when run again.
        """
        for contract in self._new:
            subject = self._names.subject(contract.name)
            if subject not in self.levels:
                self._registry.set_compatibility(subject, _LEVELS[contract.kind])
            try:
                schema_id = self._registry.register(subject, contract.text)
            except ContractError as error:
                raise DeployError(f"{error}; registered so far: {', '.join(self.registered) or 'nothing'}") from error
            self.registered.append(subject)
            require_read_back(self._registry, subject, schema_id, contract.schema)
        own = self._names.subject(WORKER.name)
        require_read_back(self._registry, own, self._registry.id_of(own, WORKER.text), WORKER.schema)
        return self.registered


def _is_record(schema: Any) -> bool:
    return isinstance(schema, dict) and schema.get("type") == "record"


def _answer(future: Any, topic: str) -> Any:
    try:
        return future.result()
    except KafkaException as error:
        what, otherwise = f"TOPIC {topic}", "Kafka does not answer"
        raise denials.unavailable(error.args[0], "DESCRIBE_CONFIGS", what, otherwise) from error
