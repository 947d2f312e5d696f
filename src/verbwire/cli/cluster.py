"""``verbwire deploy`` and ``verbwire stack``: what stands on the cluster, and an embedded one."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from verbwire.check.project import check_project
from verbwire.cli.exit_codes import Exit
from verbwire.cli.output import AsJson, print_error, print_json, print_text
from verbwire.contracts.checks.baseline import FILE, note_deployed
from verbwire.contracts.checks.findings import Severity, as_text, fails
from verbwire.contracts.schema.model import Catalog
from verbwire.errors import ConfigurationError, UnavailableError
from verbwire.settings import Settings, load_settings

if TYPE_CHECKING:
    from verbwire.deploy.leftovers import ClusterListing, Leftovers
    from verbwire.deploy.ownership import Ownership
    from verbwire.deploy.report import DeployReport
    from verbwire.project import Project


def stack() -> None:
    """Run the embedded Kafka and registry until Ctrl-C; their data stays for the next time."""
    from verbwire.embedded.__main__ import keep_up

    print("Ctrl-C stops it")
    keep_up(load_settings().stack_folder)


def deploy(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan, and change nothing.")] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Delete topics and groups that are no longer declared; asks first.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Prune without asking, but keep topics that hold records.")
    ] = False,
    acls: Annotated[
        bool, typer.Option("--acls", help="Also write the ACLs of the principals in the settings: see `verbwire acls`.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check the project, then create topics and register schemas; run twice, it changes nothing.

    Only this project's own contexts are deployed: see the settings owned and imported.
    """
    from verbwire.cli.acls import needed_acls, reconcile
    from verbwire.deploy.deployment import deploy as put_on_cluster
    from verbwire.deploy.group_plan import group_plans, standing_topics
    from verbwire.deploy.leftovers import ClusterListing
    from verbwire.deploy.ownership import ownership
    from verbwire.deploy.target import Target
    from verbwire.generations.served import standing, words_of
    from verbwire.generations.topic import with_serving

    if prune and not (yes or dry_run or sys.stdin.isatty()):
        raise ConfigurationError("--prune asks before it deletes, and there is no terminal: add --yes or --dry-run")
    project, warnings = _require_sound(load_settings())
    words = words_of(project.settings, strict=prune)
    settings = with_serving(project.settings, words)
    project = replace(project, settings=settings)
    whose, target = ownership(project), Target.of(settings)
    needed = (
        needed_acls(project, standing=standing(words)) if acls else set()
    )  # before anything is changed: there may be no principals
    plans = group_plans(project.declared.values(), project.catalog)
    report = put_on_cluster(target, project.catalog, plans, whose.owned, retired=settings.retired, dry_run=dry_run)
    if not as_json:
        print_text("\n".join([*warnings, *report.lines()]))
    if not dry_run:
        _note(settings, _only(project.catalog, whose.owned), report, quiet=as_json)
    cluster = ClusterListing({**target.kafka, "bootstrap.servers": target.bootstrap}, target.names)
    of_generations = {topic.name for topic in standing_topics(target.names, plans, standing(words))}
    left = _left(cluster, report.planned | of_generations, whose, report.undeclared, prune)
    if not as_json:
        print_text("\n".join(left.lines()))
    if acls:
        reconcile(project, needed, standing(words), write=not dry_run, quiet=as_json)
    pruned = _prune(cluster, left, yes, dry_run, quiet=as_json) if prune else []
    if as_json:
        print_json(report.facts() | {"warnings": warnings, "no_longer_declared": left.facts(), "pruned": pruned})


def _require_sound(settings: Settings) -> tuple[Project, list[str]]:
    """Return the project and what `verbwire check` warns of; exit where it finds errors.

    The contracts are not compared with those last deployed from here: the cluster knows better.
    """
    checked = check_project(settings, against_deployed=False)
    found = [each for each in checked.findings if each.severity is not Severity.INFO]
    if checked.project is None or fails(found):
        print_error(f"{as_text(found)}: nothing was deployed")
        sys.exit(Exit.FOUND)
    return checked.project, [each.line for each in found]


def _only(catalog: Catalog, owned: frozenset[str]) -> Catalog:
    """The contracts that are deployed from here: of others' copies a later check has nothing to say."""
    return Catalog({each.name: each for each in catalog if each.namespace in owned}, catalog.types)


def _note(settings: Settings, deployed: Catalog, report: DeployReport, *, quiet: bool) -> None:
    """Write down what stands there now, for the next check."""
    try:
        note_deployed(settings.data_folder / FILE, settings.prefix, deployed, report.versions)
    except OSError as error:  # a place that deploys and keeps nothing
        if not quiet:
            print(f"note: `verbwire check` will not know what was deployed from here: {error}")


def _left(
    cluster: ClusterListing, planned: Collection[str], whose: Ownership, undeclared: Iterable[str], prune: bool
) -> Leftovers:
    """What is no longer declared. Without the permission to list groups only pruning fails."""
    from verbwire.deploy.leftovers import Leftovers

    try:
        return cluster.leftovers(planned, whose.owned, whose.imported, undeclared)
    except UnavailableError as error:
        if prune:
            raise
        return Leftovers({}, notes=(f"what is no longer declared is unknown: {error}",))


def _prune(cluster: ClusterListing, left: Leftovers, yes: bool, dry_run: bool, *, quiet: bool) -> list[str]:
    """Delete what is neither declared nor read: all of it once confirmed, only what is empty with `--yes`."""
    going = left.unread().empty() if yes else left.unread()
    for each in () if quiet else sorted(left.topics.keys() - going.topics.keys()):
        print_text(f"kept: topic {left.said(each)}; stop its readers, or run without --yes to be asked")
    if dry_run or not (going.topics or going.groups):
        return []
    if not yes:
        lost = "with all their records" if going.holding() else "none of which holds a record"
        typer.confirm(f"Delete {len(going.topics)} topics, {lost}? They do not come back", abort=True)
    pruned = cluster.remove(going)
    for each in () if quiet else pruned:
        print_text(f"deleted {each}")
    return pruned
