"""The cluster as an inspection asks it: Kafka, the registry, the directory of workers, connected at the first question.

What does not answer is no reason to tell nothing: :meth:`ClusterView.unless_unknown` notes why, and the inspection goes
on with what it has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import cached_property
from typing import TypeVar

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from verbwire.discovery.directory import Directory
from verbwire.errors import ConfigurationError, UnavailableError, VerbwireError
from verbwire.generations.topic import as_served
from verbwire.kafka import denials
from verbwire.kafka.addresses import addresses, kafka_properties
from verbwire.kafka.connectivity import require_kafka
from verbwire.kafka.librdkafka import LOGGED
from verbwire.kafka.offsets import ClusterOffsets
from verbwire.kafka.recreatable import PATIENT
from verbwire.names import Names
from verbwire.project import Project
from verbwire.redaction import without_secrets
from verbwire.secrets import workers_key
from verbwire.security.workers_key import VerifyingKey
from verbwire.wire.codec.topics import Codec
from verbwire.wire.registry.client import Registry

T = TypeVar("T")
SECONDS = 10.0  # for one answer of Kafka's
_DIRECTORY_SECONDS = 20.0


class ClusterView:
    """What a project's cluster says; made by :func:`opened`. For one thread.

    `unknown` is what could not be found out, and why: by what was asked for.
    """

    def __init__(self, project: Project, opened: ExitStack) -> None:
        self.project = project
        self.unknown: dict[str, str] = {}
        self._opened = opened

    @property
    def names(self) -> Names:
        """Names on this cluster."""
        return self.project.settings.names

    @cached_property
    def kafka(self) -> dict[str, str]:
        """The properties of a client, once Kafka has answered; UnavailableError where it does not."""
        bootstrap = addresses(self.project.settings)[0]
        kafka = kafka_properties(self.project.settings, bootstrap)
        require_kafka(kafka)
        return kafka

    @cached_property
    def admin(self) -> AdminClient:
        """A client for everything that belongs to no group."""
        return AdminClient({**PATIENT, **LOGGED, **self.kafka, "log_level": 2})

    @cached_property
    def registry(self) -> Registry:
        """The schema registry."""
        found = Registry(addresses(self.project.settings)[1], self.project.settings.registry_client)
        self._opened.callback(found.close)
        return found

    @cached_property
    def codec(self) -> Codec:
        """What reads the project's records."""
        return Codec(self.project.catalog, self.registry, self.names)

    @cached_property
    def verified(self) -> bool:
        """Whether there is a key to tell the workers' word from others'."""
        return workers_key(self.project.settings) is not None

    @cached_property
    def directory(self) -> Directory:
        """The directory of workers, read to its end."""
        key = workers_key(self.project.settings)
        found = Directory(self.kafka, self.codec, VerifyingKey(key).verify if key else None)
        self._opened.callback(found.close)
        found.start()
        found.wait(_DIRECTORY_SECONDS)
        return found

    def of(self, project: Project) -> ClusterView:
        """Return the same cluster for a project with other settings; it is closed with this one."""
        return ClusterView(project, self._opened)

    def offsets(self, group: str) -> ClusterOffsets:
        """Return what tells the offsets of a group, by its name on the cluster."""
        return ClusterOffsets(self.kafka, group)

    def unless_unknown(self, what: str, ask: Callable[[], T]) -> T | None:
        """Return an answer; where there is none, note why under `what`, and return None."""
        if what in self.unknown:
            return None
        try:
            with kafka_errors(what):
                return ask()
        except VerbwireError as error:
            self.unknown[what] = without_secrets(str(error))
            return None


@contextmanager
def kafka_errors(what: str) -> Iterator[None]:
    """Raise librdkafka's errors as ours."""
    try:
        yield
    except KafkaException as error:
        raise denials.unavailable(error.args[0], "DESCRIBE", what, f"Kafka did not tell {what}") from error


@contextmanager
def opened(project: Project) -> Iterator[ClusterView]:
    """Give the cluster of a project's settings, on which names mean the generations that serve."""
    settings = project.settings
    with suppress(UnavailableError, ConfigurationError):  # who is not there says so when asked for more
        kafka = kafka_properties(settings, addresses(settings)[0])
        project = replace(project, settings=as_served(settings, kafka))
    with ExitStack() as stack:
        yield ClusterView(project, stack)


def in_order(unknown: Mapping[str, str]) -> dict[str, str]:
    """Return what is unknown, and why, by name: as it stands in answers."""
    return dict(sorted(unknown.items()))
