"""``verbwire deploy`` and ``verbwire stack``: what stands on the cluster, and an embedded one."""

from __future__ import annotations

from typing import Annotated

import typer

from verbwire.settings import load_settings


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
    from verbwire.cli.acls import needed_acls, reconcile
    from verbwire.contracts.baseline import FILE, note_deployed
    from verbwire.deploy import Target
    from verbwire.deploy import deploy as put_on_cluster
    from verbwire.plans import group_plans
    from verbwire.project import load_project

    settings = load_settings()
    project = load_project(settings)
    needed = needed_acls(project) if acls else set()  # before anything is changed: there may be no principals
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
    report = put_on_cluster(
        target, project.catalog, group_plans(project.declared.values(), project.catalog), retired=settings.retired
    )
    for line in report.lines():
        print(line)
    try:
        note_deployed(settings.data_folder / FILE, settings.prefix, project.catalog, report.versions)
    except OSError as error:  # a place that deploys and keeps nothing
        print(f"note: `verbwire check` will not know here what was deployed: {error}")
    if acls:
        reconcile(project, needed, write=True)
