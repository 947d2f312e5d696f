"""What a worker's HTTP has beside its tables: commands to Kafka, their outcomes, and a description of it all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from verbwire.declarations.aggregate import Aggregate
from verbwire.development import internal_secret
from verbwire.http import limits
from verbwire.http.app import Part
from verbwire.http.commands import Commands
from verbwire.http.gateway import Gateway
from verbwire.http.openapi import OpenApi
from verbwire.http.outcome_links import OutcomeLinks
from verbwire.http.outcomes import Outcomes
from verbwire.http.receivers import Receiver
from verbwire.http.waits import Waits
from verbwire.project import Project
from verbwire.sdk.connection import Connection
from verbwire.wire.outcomes import OUTCOME, OutcomeRecord
from verbwire.worker.groups import Hosted, Services
from verbwire.worker.hosted import HostedGroup


@dataclass(frozen=True)
class Messaging:
    """The parts of HTTP that send; to be closed once HTTP has given its last answer."""

    gateway: Gateway
    parts: Sequence[Part]

    def close(self) -> None:
        """Let go of the broker."""
        self.gateway.close()


def messaging(project: Project, services: Services, registry: str, hosted: Iterable[Hosted], waits: Waits) -> Messaging:
    """Build them. Kafka is reached at the first command."""
    settings, codec = services.settings, services.codec
    gateway = Gateway(
        Connection(
            bootstrap=services.bootstrap,
            registry=registry,
            names=codec.names,
            catalog=codec.catalog,
            kafka={"linger.ms": "0", **settings.kafka},  # somebody waits for each
            registry_conf=settings.registry_client,
            delivery_seconds=limits.DELIVERY_SECONDS,
        )
    )
    links = OutcomeLinks(internal_secret(settings))
    receivers = _receivers(project, services, hosted)
    commands = Commands(codec.catalog, project.classes, gateway, links, waits)
    outcomes = Outcomes(receivers, codec, gateway, links)
    return Messaging(gateway, [commands, outcomes, OpenApi(settings.project, codec.catalog)])


def _receivers(project: Project, services: Services, hosted: Iterable[Hosted]) -> Iterator[Receiver]:
    names = services.codec.names
    for each in hosted:
        declared = project.declared[each.group]
        if isinstance(each, HostedGroup) and isinstance(declared, Aggregate):
            ledger = names.outcomes(declared.namespace)
            decoder = services.codec.topic_decoder(ledger, OUTCOME.namespace, {OUTCOME.name: OutcomeRecord})
            yield Receiver(declared.namespace, names.commands(declared.namespace), each.table.view, decoder.decode)
