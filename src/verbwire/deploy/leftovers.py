"""Finds what stands on the cluster under a project's names and is no longer declared; deletes it if asked to.

Subjects of the registry are only told: what was written with a schema can be read with nothing else, wherever its
records are by now.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from verbwire.errors import DeployError, UnavailableError
from verbwire.kafka.connectivity import require_kafka
from verbwire.names import Names
from verbwire.redaction import shown_address

_SECONDS = 30.0
# How names.py ends the names of topics: what ends otherwise is none of ours.
_CONTEXT = (".events", ".commands", ".outcomes", ".scheduled")
_DEAD_LETTERS = ".dead-letters"
_GROUP = (_DEAD_LETTERS, ".retries", ".requests", ".parked", "-changelog", "-repartition")


@dataclass(frozen=True)
class Leftovers:
    """Topics with the number of their records (markers of transactions among them), and who still reads them."""

    topics: Mapping[str, int]
    groups: tuple[str, ...] = ()  # consumer groups without members, whose topics are among those
    read_by: Mapping[str, str] = field(default_factory=dict)  # topic -> a group that has members there
    subjects: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """What there is, one line for each thing."""
        return [
            *(f"no longer declared: topic {self.said(name)}" for name in self.topics),
            *(f"no longer declared: consumer group {name}" for name in self.groups),
            *(f"no longer declared: schema {name}; it stays, records may need it" for name in self.subjects),
            *(f"note: {note}" for note in self.notes),
        ]

    def holding(self) -> list[str]:
        """The topics that hold records."""
        return [name for name, records in self.topics.items() if records]

    def unread(self) -> Leftovers:
        """The same without the topics that a group reads."""
        return self._without(self.read_by)

    def empty(self) -> Leftovers:
        """The same without the topics that hold records, and without the groups that those belong to."""
        return self._without(self.holding())

    def facts(self) -> dict[str, Any]:
        """The same as :meth:`lines`, for programs."""
        return {
            "topics": dict(self.topics),
            "groups": list(self.groups),
            "subjects": list(self.subjects),
            "notes": list(self.notes),
        }

    def _without(self, kept: Collection[str]) -> Leftovers:
        topics = {name: records for name, records in self.topics.items() if name not in kept}
        groups = (each for each in self.groups if not any(_is_of(name, each) for name in kept))
        return replace(self, topics=topics, groups=tuple(groups))

    def said(self, topic: str) -> str:
        """A topic, with what would be lost with it."""
        records = f"{self.topics[topic]:,} records" if self.topics[topic] else "empty"
        return f"{topic} ({records}{f', read by {self.read_by[topic]}' if topic in self.read_by else ''})"


class ClusterListing:
    """The topics and groups of a cluster, as far as they may be left over."""

    def __init__(self, kafka: Mapping[str, Any], names: Names) -> None:
        require_kafka(kafka)
        self._admin = AdminClient({"log_level": 3, **kafka})
        self._where = f"Kafka at {shown_address(str(kafka['bootstrap.servers']))}"
        self._names = names

    def leftovers(
        self, declared: Iterable[str], owned: Iterable[str], imported: Iterable[str], subjects: Iterable[str] = ()
    ) -> Leftovers:
        """Return what stands under the names of the project and its contexts, but is not among the `declared` topics.

        Contexts that are `imported` are others', whatever they are called. :class:`UnavailableError` also where we may
        not ask for groups.
        """
        try:
            standing = self._admin.list_topics(timeout=_SECONDS).topics
            candidates = set(standing) - set(declared)
            found = sorted(name for name in candidates if self._is_ours(name, owned, imported))
            records = self._records({name: len(standing[name].partitions) for name in found})
            read_by, idle = self._readers(found)
            return Leftovers(records, idle, read_by, tuple(subjects))
        except KafkaException as error:
            raise UnavailableError(f"{self._where} did not list topics and groups: {error.args[0].str()}") from error

    def remove(self, left: Leftovers) -> list[str]:
        """Delete topics and groups; return what was deleted, with what went with it.

        :class:`DeployError` tells what could not be.
        """
        done, failed = [], []
        answers = {
            **(self._admin.delete_topics(list(left.topics), operation_timeout=_SECONDS) if left.topics else {}),
            **(self._admin.delete_consumer_groups(list(left.groups)) if left.groups else {}),
        }
        for name, answer in answers.items():
            try:
                answer.result()
                done.append(f"topic {left.said(name)}" if name in left.topics else f"consumer group {name}")
            except KafkaException as error:
                failed.append(f"{name}: {error.args[0].str()}")
        if failed:
            told = [*(f"deleted {each}" for each in done), *(f"not deleted: {each}" for each in failed)]
            raise DeployError("\n".join(told))
        return done

    def _is_ours(self, topic: str, owned: Iterable[str], imported: Iterable[str]) -> bool:
        prefix = f"{self._names.prefix}." if self._names.prefix else ""
        ours = any(_is_of(topic, f"{prefix}{each}") for each in (self._names.project, *owned))
        others = any(_is_of(topic, f"{prefix}{each}") for each in imported)
        return ours and not others and topic.endswith((*_CONTEXT, *_GROUP))

    def _records(self, topics: Mapping[str, int]) -> dict[str, int]:
        places = [TopicPartition(name, number) for name, count in topics.items() for number in range(count)]
        records = dict.fromkeys(topics, 0)
        for spec, sign in ((OffsetSpec.latest(), 1), (OffsetSpec.earliest(), -1)) if places else ():
            answers = self._admin.list_offsets(dict.fromkeys(places, spec), request_timeout=_SECONDS)
            for place, answer in answers.items():
                records[place.topic] += sign * answer.result().offset
        return records

    def _readers(self, topics: list[str]) -> tuple[dict[str, str], tuple[str, ...]]:
        """By topic a group that has members there; and the groups without members whose dead letters are left over."""
        if not topics:
            return {}, ()
        own = {name.removesuffix(_DEAD_LETTERS) for name in topics if name.endswith(_DEAD_LETTERS)}
        found = self._admin.list_consumer_groups(request_timeout=_SECONDS).result().valid
        ids = [each.group_id for each in found]
        answers = self._admin.describe_consumer_groups(ids, request_timeout=_SECONDS) if ids else {}
        read_by: dict[str, str] = {}
        idle = []
        for group, answer in answers.items():
            members = answer.result().members
            assigned = {place.topic for each in members for place in each.assignment.topic_partitions}
            # Of a running group its changelogs, too: those are assigned to no member.
            own_topics = {name for name in topics if members and _is_of(name, group)}
            read_by |= dict.fromkeys(own_topics | assigned.intersection(topics), group)
            idle += [] if members or group not in own else [group]
        return read_by, tuple(sorted(idle))


def _is_of(topic: str, name: str) -> bool:
    """Whether a topic is called after a project, context or group."""
    return topic.startswith((f"{name}.", f"{name}-"))
