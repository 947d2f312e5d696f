"""Where a deployment goes: the cluster, its registry, and how many partitions new topics get."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from verbwire.kafka.addresses import addresses, kafka_properties
from verbwire.names import Names
from verbwire.settings import Settings


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

    @classmethod
    def of(cls, settings: Settings) -> Target:
        """Return the cluster that the settings describe."""
        bootstrap, registry = addresses(settings)
        return cls(
            bootstrap=bootstrap,
            registry=registry,
            names=settings.names,
            kafka=kafka_properties(settings, bootstrap),
            registry_conf=settings.registry_client,
            partitions=settings.partitions,
            replication=settings.replication,
        )
