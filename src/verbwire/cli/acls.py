"""``verbwire acls``: what each role needs on the cluster, printed, compared with what stands there, written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from verbwire.cli.output import AsJson, print_error, print_json, print_table, print_text
from verbwire.errors import ConfigurationError
from verbwire.settings import load_settings

if TYPE_CHECKING:
    from verbwire.acls.model import Acl
    from verbwire.acls.principals import RoleAssignment
    from verbwire.acls.roles import ProjectResources
    from verbwire.project import Project

Principals = Annotated[
    list[str] | None,
    typer.Option(
        "--principal", help="A role and its Kafka principal: worker=User:shop-worker. Replaces those of the settings."
    ),
]
_REGISTRY = (
    "The schema registry is not covered: it has permissions of its own. `deploy` registers schemas and sets levels of "
    "compatibility there; all other roles read schemas."
)


Standing: TypeAlias = Mapping[str, Sequence[int]]  # group -> the generations of one that was rebuilt
NO_GENERATIONS: Standing = MappingProxyType({})


def acls(
    principal: Principals = None,
    as_json: AsJson = False,
    script: Annotated[bool, typer.Option("--script", help="Print a shell script that calls kafka-acls.sh.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what writing them would change.")] = False,
    write: Annotated[bool, typer.Option("--write", help="Write the missing ones.")] = False,
    prune: Annotated[bool, typer.Option("--prune", help="Delete, after asking, those that no role needs.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Delete without asking.")] = False,
) -> None:
    """Print what each role of the project needs on Kafka; with --write, or `deploy --acls`, it is written.

    Roles are operator, worker, worker:<folder or group>, gateway, producer:<context>, publisher:<context> and
    reader:<group>; the setting `principals` assigns them. Without any, the project's own roles are printed.
    """
    from verbwire.generations.served import standing, words_of
    from verbwire.project import load_project

    if sum((as_json, script, dry_run, write or prune)) > 1:
        raise ConfigurationError(
            "--json, --script, --dry-run and --write (or --prune) exclude each other: use one of them"
        )
    project = load_project(load_settings())
    if dry_run or write or prune:
        generations = standing(words_of(project.settings))
        needed = needed_acls(project, principal or (), generations)
        return reconcile(project, needed, generations, write=write, prune=prune, ask=not yes)
    return _print(project, principal or (), known_generations(project), as_json, script)


def known_generations(project: Project) -> Standing:
    """Return the generations of rebuilt tables; where no broker answers none, and say so on standard error."""
    from verbwire.errors import UnavailableError
    from verbwire.generations.served import standing, words_of

    try:
        return standing(words_of(project.settings))
    except (ConfigurationError, UnavailableError) as error:
        print_error(f"without the generations of rebuilt tables, if there are any, since Kafka was not asked: {error}")
        return NO_GENERATIONS


def needed_acls(project: Project, flags: Sequence[str] = (), standing: Standing = NO_GENERATIONS) -> set[Acl]:
    """Return the ACLs of all that settings and flags name; :class:`ConfigurationError` where they name none.

    `standing` are the generations of rebuilt tables.
    """
    from verbwire.acls.principals import acls_of, assignments

    return acls_of(assignments(project.settings.principals, flags), resources_of(project, standing))


def reconcile(
    project: Project,
    needed: set[Acl],
    standing: Standing,
    *,
    write: bool,
    prune: bool = False,
    ask: bool = True,
    quiet: bool = False,
) -> None:
    """Print the plan, then create what is missing, and delete what is not needed, after asking."""
    from verbwire.acls.cluster import ClusterAcls
    from verbwire.acls.comparison import compare
    from verbwire.kafka.addresses import addresses, kafka_properties

    settings, resources = project.settings, resources_of(project, standing)
    cluster = ClusterAcls(kafka_properties(settings, addresses(settings)[0]))
    plan = compare(needed, cluster.found(), resources)
    said = [*plan.lines()]
    if write and plan.missing:
        cluster.create(plan.missing)
        said.append(f"wrote {len(plan.missing)} ACLs")
    if not quiet:
        print_text("\n".join(said))
    if prune and plan.unneeded and (not ask or typer.confirm(f"Delete {len(plan.unneeded)} ACLs?")):
        cluster.delete(plan.unneeded)
        print(f"deleted {len(plan.unneeded)} ACLs")


def resources_of(project: Project, standing: Standing = NO_GENERATIONS) -> ProjectResources:
    """Return what the project has on the cluster, by the same plans that `deploy` goes by."""
    from verbwire.acls.roles import ProjectResources
    from verbwire.deploy.group_plan import group_plans

    plans = group_plans(project.declared.values(), project.catalog)
    return ProjectResources(project.settings.names, project.catalog, plans, project.folders, standing)


def _print(project: Project, flags: Sequence[str], generations: Standing, as_json: bool, script: bool) -> None:
    from verbwire.acls.principals import acls_of, assignments
    from verbwire.acls.script import script as lines_of

    assigned, resources = assignments(project.settings.principals, flags), resources_of(project, generations)
    if script:
        print("\n".join(lines_of(acls_of(assigned, resources))))
        return
    rows = _rows(assigned, resources)
    if as_json:
        print_json(rows)
        return
    columns = ("role", "principal", "resource", "name", "operations")
    print_table(columns, [[_cell(row[name]) for name in columns] for row in rows])
    print(f"\n{_REGISTRY}")


def _cell(value: str | list[str]) -> str:
    return value if isinstance(value, str) else ", ".join(value)


def _rows(assigned: list[RoleAssignment], resources: ProjectResources) -> list[dict[str, str | list[str]]]:
    from verbwire.acls.model import by_pattern
    from verbwire.acls.principals import RoleAssignment
    from verbwire.acls.roles import permissions_of, roles_of

    return [
        {
            "role": each.role,
            "principal": each.principal,
            "resource": what.resource.value,
            "name": what.name + ("*" if what.prefixed else ""),
            "operations": [operation.value for operation in operations],
        }
        for each in assigned or [RoleAssignment(role, "-") for role in roles_of(resources)]
        for what, operations in by_pattern(permissions_of(each.role, resources)).items()
    ]
