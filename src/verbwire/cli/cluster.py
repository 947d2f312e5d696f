"""``verbwire deploy`` and ``verbwire stack``: what stands on the cluster, and an embedded one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verbwire.messages import Kind
from verbwire.settings import load_settings

if TYPE_CHECKING:
    from verbwire.project import Project
    from verbwire.wire.topics import GroupPlan


def stack() -> None:
    """Run the embedded Kafka and registry until Ctrl-C; their data stays for the next time."""
    from verbwire.embedded.__main__ import keep_up

    print("Ctrl-C stops it")
    keep_up(load_settings().stack_folder)


def deploy() -> None:
    """Create topics and register schemas; run twice, it changes nothing."""
    from verbwire.addresses import addresses, kafka_properties
    from verbwire.deploy import Target
    from verbwire.deploy import deploy as put_on_cluster
    from verbwire.project import load_project

    settings = load_settings()
    project = load_project(settings)
    bootstrap, registry = addresses(settings)
    target = Target(
        bootstrap=bootstrap,
        registry=registry,
        names=settings.names,
        kafka=kafka_properties(settings, bootstrap),
        registry_conf=settings.registry_client,
        partitions=settings.partitions,
        replication=settings.replication,
    )
    for line in put_on_cluster(target, project.catalog, group_plans(project)).lines():
        print(line)


def group_plans(project: Project) -> list[GroupPlan]:
    """Return what each declared group needs on the cluster."""
    from verbwire.engine.build import STATE
    from verbwire.wire.topics import GroupPlan

    receivers = [GroupPlan(each.group, Kind.COMMAND, (each.namespace,), (STATE,)) for each in project.aggregates]
    tables = [GroupPlan(each.group, Kind.EVENT, tuple(each.sources), (each.table,)) for each in project.tables]
    return receivers + tables
