"""``verbwire deploy`` and ``verbwire stack``: what stands on the cluster, and an embedded one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from verbwire.declarations import Declared
from verbwire.declarations.aggregate import Aggregate
from verbwire.declarations.job import Job
from verbwire.declarations.process import Process
from verbwire.declarations.subscriber import Subscriber
from verbwire.declarations.table import Table
from verbwire.messages import Kind
from verbwire.settings import load_settings

if TYPE_CHECKING:
    from verbwire.contracts.model import Catalog
    from verbwire.project import Project
    from verbwire.wire.topics import GroupPlan


def stack() -> None:
    """Run the embedded Kafka and registry until Ctrl-C; their data stays for the next time."""
    from verbwire.embedded.__main__ import keep_up

    print("Ctrl-C stops it")
    keep_up(load_settings().stack_folder)


def deploy(
    acls: Annotated[
        bool, typer.Option("--acls", help="Write the ACLs of the principals in the settings, too: see `verbwire acls`.")
    ] = False,
) -> None:
    """Create topics and register schemas; run twice, it changes nothing."""
    from verbwire.addresses import addresses, kafka_properties
    from verbwire.contracts.baseline import FILE, note_deployed
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
    report = put_on_cluster(target, project.catalog, group_plans(project), retired=settings.retired)
    for line in report.lines():
        print(line)
    try:
        note_deployed(settings.data_folder / FILE, settings.prefix, project.catalog, report.versions)
    except OSError as error:  # a place that deploys and keeps nothing
        print(f"note: `verbwire check` will not know here what was deployed: {error}")
    if acls:
        from verbwire.cli.acls import bring_about

        bring_about(project, write=True)


def group_plans(project: Project) -> list[GroupPlan]:
    """Return what each declared group needs on the cluster."""
    return [_group_plan(each, project.catalog) for each in project.declared.values()]


def _group_plan(declared: Declared, catalog: Catalog) -> GroupPlan:
    from verbwire.declarations.sending import namespaces
    from verbwire.engine.build import STATE
    from verbwire.wire.topics import GroupPlan

    match declared:
        case Aggregate():
            own = (declared.namespace,)
            publishes = own if catalog.of_namespace(declared.namespace, Kind.EVENT) else ()
            return GroupPlan(declared.group, Kind.COMMAND, own, (STATE,), publishes=publishes)
        case Job() | Subscriber():
            kind, read = (
                (Kind.COMMAND, (declared.namespace,))
                if isinstance(declared, Job)
                else (Kind.EVENT, tuple(declared.sources))
            )
            sent, published = namespaces(declared.sends), namespaces(declared.publishes)
            return GroupPlan(declared.group, kind, read, retries=True, sends=sent, publishes=published)
        case Process():
            heard, outcomes, sent = tuple(declared.sources), tuple(declared.answering), namespaces(declared.sends)
            return GroupPlan(declared.group, Kind.EVENT, heard, (declared.table,), outcomes, rekeys=True, sends=sent)
        case Table():
            rekeys = bool(declared.keys)
            return GroupPlan(declared.group, Kind.EVENT, tuple(declared.sources), (declared.table,), rekeys=rekeys)
