"""Builds the endpoints of a worker's HTTP beside its tables: commands, outcomes, OpenAPI."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from verbwire.declarations.aggregate import Aggregate
from verbwire.declarations.process import Process
from verbwire.http.access.rates import Rates
from verbwire.http.app import Part
from verbwire.http.base.interruptible_waits import InterruptibleWaits
from verbwire.http.base.limits import CommandLimits
from verbwire.http.commands.endpoint import Commands
from verbwire.http.commands.gateway import Gateway
from verbwire.http.commands.outcome_links import OutcomeLinks
from verbwire.http.commands.outcome_memory import AggregateOutcomes
from verbwire.http.commands.outcomes import OutcomeEndpoint
from verbwire.http.console.described import console_paths
from verbwire.http.forwarding.peers import Peers
from verbwire.http.operations.openapi import OpenApi
from verbwire.http.tables.queryable_table import QueryableTable
from verbwire.project import Project
from verbwire.secrets import internal_secret
from verbwire.wire.records.outcomes import OUTCOME, OutcomeRecord
from verbwire.worker.services import Services


@dataclass(frozen=True)
class CommandEndpoints:
    """The parts of HTTP that send; to be closed once HTTP has given its last answer."""

    gateway: Gateway
    parts: Sequence[Part]

    def close(self) -> None:
        """Let go of the broker."""
        self.gateway.close()


def command_endpoints(
    project: Project,
    services: Services,
    tables: Iterable[QueryableTable],
    peers: Peers,
    waits: InterruptibleWaits,
    rates: Rates,
) -> CommandEndpoints:
    """Build them; `tables` are those of all groups, also of those that are hosted elsewhere.

    Kafka is reached at the first command.
    """
    settings, codec = services.settings, services.codec
    kafka = {"linger.ms": "0", **settings.kafka}  # a client waits for each
    gateway = Gateway(services.connection(kafka, delivery_seconds=CommandLimits().delivery_seconds))
    links = OutcomeLinks(internal_secret(settings))
    receivers = _receivers(project, services, {table.name: table for table in tables})
    commands = Commands(codec.catalog, project.classes, gateway, links, waits)
    outcomes = OutcomeEndpoint(receivers, codec, gateway, links, peers)
    more = console_paths() if settings.http_console else {}
    by_cursor = [query.__contract__ for each in project.responders for query in each.paged]
    document = OpenApi(settings.project, codec.catalog, rates.description(), more, by_cursor)
    return CommandEndpoints(gateway, [commands, outcomes, document])


def _receivers(
    project: Project, services: Services, tables: Mapping[str, QueryableTable]
) -> Iterator[AggregateOutcomes]:
    names = services.codec.names
    deciders: list[Aggregate[Any] | Process[Any]] = [*project.aggregates, *project.processes]
    for declared in deciders:
        namespace, table = declared.namespace, tables.get(declared.group)  # none where it is not deployed yet
        if table is not None and namespace is not None:
            outcome_log = names.outcomes(namespace)
            decoder = services.codec.topic_decoder(outcome_log, OUTCOME.namespace, {OUTCOME.name: OutcomeRecord})
            later = isinstance(declared, Process)
            yield AggregateOutcomes(namespace, names.commands(namespace), table.store_reader, decoder.decode, later)
