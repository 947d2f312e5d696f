"""``verbwire check --deployed``: the code at hand beside what stands on the cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from verbwire.contracts.checks.findings import Finding, Severity
from verbwire.declarations.aggregate import STATE, Aggregate
from verbwire.declarations.process import Process
from verbwire.declarations.table import Table
from verbwire.errors import ContractError
from verbwire.project import Project

if TYPE_CHECKING:
    from verbwire.contracts.schema.model import Contract
    from verbwire.engine.builders.code import Folding
    from verbwire.wire.codec.topics import Codec
    from verbwire.wire.codec.versions import Versions


def deployed_code(project: Project) -> list[Finding]:
    """Return what a worker of this code would find in the changelogs of the project's groups; asks the cluster."""
    from verbwire.generations.served import served
    from verbwire.kafka.addresses import addresses, kafka_properties
    from verbwire.kafka.connectivity import require_kafka
    from verbwire.wire.codec.topics import Codec
    from verbwire.wire.registry.client import Registry

    project = replace(project, settings=served(project.settings))
    settings = project.settings
    bootstrap, registry_url = addresses(settings)
    kafka = kafka_properties(settings, bootstrap)
    require_kafka(kafka)
    with closing(Registry(registry_url, settings.registry_client)) as registry:
        codec = Codec(project.catalog, registry, settings.names)
        groups = [each for each in project.declared.values() if isinstance(each, Aggregate | Table | Process)]
        return [found for each in groups for found in _of_group(project, codec, kafka, each)]


def _of_group(project: Project, codec: Codec, kafka: dict[str, str], declared: Folding) -> Iterator[Finding]:
    from verbwire.engine.builders.code import fingerprints_of
    from verbwire.engine.code.deployed import compare
    from verbwire.engine.restore.changelog_tails import last_facts

    names, is_table = codec.names, isinstance(declared, Table)
    contract = codec.catalog.of(declared.row if isinstance(declared, Table) else declared.state)
    changelog = names.changelog(
        names.group(declared.group), STATE if isinstance(declared, Aggregate) else declared.table
    )
    at_hand = fingerprints_of(declared, contract, names, project.settings.root)
    for told in compare(at_hand, _versions(codec, contract), last_facts(kafka, changelog)):
        mild = Severity.WARNING if is_table or told.code == "other_code" else Severity.INFO
        yield Finding.at(told.code, Severity.ERROR if told.grave else mild, declared.group, told.text)


def _versions(codec: Codec, contract: Contract) -> Versions | None:
    """None for a contract that is not deployed yet."""
    from verbwire.wire.codec.versions import Versions

    try:
        return Versions(codec, contract)
    except ContractError:
        return None
