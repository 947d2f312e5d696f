"""``verbwire schemas`` and ``verbwire check``: contracts, and the code that claims to follow them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from traceback import extract_tb
from typing import Annotated, Any

import typer

from verbwire.cli.deployed_code import deployed_code
from verbwire.cli.exit_codes import Exit
from verbwire.cli.output import AsJson, print_json, print_table, print_text
from verbwire.contracts.checks.baseline import FILE, Baseline, at_ref, deployed
from verbwire.contracts.checks.check import (
    CommandGroup,
    EventGroup,
    check_contracts,
    check_handlers,
    compare,
    in_order,
    unreadable,
)
from verbwire.contracts.checks.findings import Finding, Severity, as_text, fails
from verbwire.contracts.checks.findings import as_json as findings_as_json
from verbwire.contracts.codegen.generate import generate as sources_of
from verbwire.contracts.codegen.generate import write
from verbwire.contracts.schema.load import load_catalog
from verbwire.contracts.schema.model import Catalog
from verbwire.declarations.aggregate import Aggregate
from verbwire.declarations.job import Job
from verbwire.declarations.process import Process
from verbwire.declarations.requirements import require_fit
from verbwire.declarations.subscriber import Subscriber
from verbwire.declarations.table import Table
from verbwire.declarations.unbounded import check_bounds
from verbwire.deploy.ownership import ownership
from verbwire.errors import ContractError, VerbwireError
from verbwire.messages import Message
from verbwire.project import Project, load_project
from verbwire.queries.check import check_queries
from verbwire.settings import Settings, load_settings

app = typer.Typer(no_args_is_help=True, help="Contracts and their generated classes.")


@app.command()
def generate(as_json: AsJson = False) -> None:
    """Write the typed classes beside the schemas."""
    folder = load_settings().schemas
    changed = [str(path.relative_to(folder.parent)) for path in write(sources_of(load_catalog(folder), folder))]
    if as_json:
        print_json({"written": changed})
        return
    for path in changed:
        print_text(f"wrote {path}")
    if not changed:
        print("nothing to do: the classes are as the schemas say")


@app.command("list")
def list_contracts(as_json: AsJson = False) -> None:
    """List the contracts."""
    contracts = sorted(load_catalog(load_settings().schemas), key=lambda each: each.name)
    rows = [(each.name, str(each.kind), [*each.key], sorted(each.rejections)) for each in contracts]
    columns = ("contract", "kind", "key", "rejections")
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        print_table(columns, [(name, kind, ", ".join(key), ", ".join(codes)) for name, kind, key, codes in rows])


def check(
    as_json: AsJson = False,
    against: Annotated[str, typer.Option(help="Compare contracts with those of this commit, branch or tag, too.")] = "",
    deployed_: Annotated[
        bool, typer.Option("--deployed", help="Compare code with what has folded the tables.")
    ] = False,
) -> None:
    """Check contracts, generated classes and declarations; needs no cluster. Ends with 1 when something is wrong.

    Contracts are compared with what was deployed from here before. With --deployed the cluster is asked, too, which
    code has folded what its tables, aggregates and processes hold.
    """
    findings = findings_of(load_settings(), against, deployed_)
    if as_json:
        print(findings_as_json(findings))
    else:
        print_text(as_text(findings))
    if fails(findings):
        sys.exit(Exit.FOUND)


def findings_of(
    settings: Settings, against: str = "", on_the_cluster: bool = False, against_deployed: bool = True
) -> list[Finding]:
    """Return what there is to say of a project, the gravest first."""
    if found := unreadable(settings.schemas):
        return found
    catalog = load_catalog(settings.schemas)
    found = _compared(catalog, settings, against) if against or against_deployed else []
    found += check_contracts(catalog, settings.schemas, settings.accepted_names)
    try:
        project = load_project(settings)
    except Exception as error:  # noqa: BLE001 (whatever a user's module raises is told beside what else is wrong)
        return in_order([*found, _not_imported(error, settings)])
    try:
        found += _declared(project)
    except ContractError as error:
        found.append(Finding.at("declaration", Severity.ERROR, settings.root, str(error)))
    return in_order(found + (deployed_code(project) if on_the_cluster else []))


def _not_imported(error: Exception, settings: Settings) -> Finding:
    frames = [each for each in extract_tb(error.__traceback__) if Path(each.filename).is_relative_to(settings.root)]
    where = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else str(settings.root)
    said = str(error) if isinstance(error, VerbwireError) else f"cannot be imported: {type(error).__name__}: {error}"
    return Finding.at("import", Severity.ERROR, where, said)


def _compared(catalog: Catalog, settings: Settings, against: str) -> list[Finding]:
    """What the contracts contradict of what they were."""
    baselines = [*_baselines(settings, against)]
    if not baselines:
        message = "nothing was deployed from here to compare contracts with: say with what (--against main)"
        return [Finding.at("not-compared", Severity.INFO, settings.schemas, message)]
    return [each for baseline in baselines for each in compare(catalog, settings.schemas, baseline, settings.retired)]


def _declared(project: Project) -> list[Finding]:
    """What the project's declarations are told of."""
    whose = ownership(project)
    found = check_handlers(project.catalog, _handlers(project), whose.imported) + whose.findings(project)
    found += check_queries(project.catalog, project.tables, project.responders)
    found += check_bounds(project.catalog, project.declared.values())
    return [*found, *_unmet(project)]


def _baselines(settings: Settings, against: str) -> Iterator[Baseline]:
    """What the contracts are compared with."""
    if against:
        yield at_ref(settings.schemas, against)
    last = deployed(settings.data_folder / FILE, settings.prefix)
    if last is not None:
        yield last


def _unmet(project: Project) -> Iterator[Finding]:
    """What groups need of their contracts and do not get."""
    for each in project.declared.values():
        try:
            require_fit(each, project.catalog)
        except ContractError as error:
            for line in str(error).splitlines():
                yield Finding.at("group", Severity.ERROR, each.group, line)


def _handlers(project: Project) -> list[CommandGroup | EventGroup]:
    return [
        _receiver(each) if isinstance(each, Aggregate | Job) else _listener(each) for each in project.declared.values()
    ]


def _receiver(receiver: Aggregate[Any] | Job) -> CommandGroup:
    handles = {command.__contract__: handler.function for command, handler in receiver.handlers.items()}
    publishes = _names(receiver.publishes) if isinstance(receiver, Job) else frozenset()
    return CommandGroup(receiver.group, receiver.namespace, handles, publishes, answers=not isinstance(receiver, Job))


def _listener(listener: Table[Any] | Process[Any] | Subscriber) -> EventGroup:
    publishes = _names(listener.publishes) if isinstance(listener, Subscriber) else frozenset()
    return EventGroup(listener.group, _names(listener.handlers), publishes)


def _names(messages: Iterable[type[Message]]) -> frozenset[str]:
    return frozenset(each.__contract__ for each in messages)
