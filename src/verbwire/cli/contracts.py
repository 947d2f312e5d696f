"""``verbwire schemas`` and ``verbwire check``: contracts, and the code that claims to follow them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table as Listing

from verbwire.cli.deployed_code import deployed_code
from verbwire.contracts.baseline import FILE, Baseline, at_ref, deployed
from verbwire.contracts.check import Listener, Receiver, compare, unreadable
from verbwire.contracts.check import check as find_problems
from verbwire.contracts.findings import Finding, Severity, as_json, as_text, fails
from verbwire.contracts.generate import generate as sources_of
from verbwire.contracts.generate import write
from verbwire.contracts.load import load_catalog
from verbwire.contracts.model import Catalog
from verbwire.declarations.aggregate import Aggregate
from verbwire.declarations.job import Job
from verbwire.declarations.process import Process
from verbwire.declarations.requirements import require_effects, require_process, require_table
from verbwire.declarations.subscriber import Subscriber
from verbwire.declarations.table import Table
from verbwire.declarations.unbounded import check_bounds
from verbwire.errors import ContractError
from verbwire.messages import Message
from verbwire.project import Project, load_project
from verbwire.queries.check import check_queries
from verbwire.settings import Settings, load_settings

app = typer.Typer(no_args_is_help=True, help="Contracts and their generated classes.")


@app.command()
def generate() -> None:
    """Write the typed classes beside the schemas."""
    folder = load_settings().schemas
    changed = write(sources_of(load_catalog(folder), folder))
    for path in changed:
        print(f"wrote {path.relative_to(folder.parent)}")
    if not changed:
        print("nothing to do: the classes are as the schemas say")


@app.command("list")
def list_contracts() -> None:
    """List the contracts."""
    listing = Listing("contract", "kind", "key", "rejections", box=None)
    for contract in sorted(load_catalog(load_settings().schemas), key=lambda each: each.name):
        listing.add_row(contract.name, contract.kind, ", ".join(contract.key), ", ".join(sorted(contract.rejections)))
    Console().print(listing)


def check(
    as_json_: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
    against: Annotated[str, typer.Option(help="Compare contracts with those of this commit, branch or tag, too.")] = "",
    deployed_: Annotated[
        bool, typer.Option("--deployed", help="Compare code with what has folded the tables.")
    ] = False,
) -> None:
    """Check contracts, generated classes and declarations; needs no cluster. Ends with 1 when something is wrong.

    Contracts are compared with what was deployed from here before. With --deployed the cluster is asked, too, which
    code has folded what its tables, aggregates and processes hold.
    """
    settings = load_settings()
    findings = unreadable(settings.schemas) or _findings(settings, against, deployed_)
    print(as_json(findings) if as_json_ else as_text(findings))
    if fails(findings):
        sys.exit(1)


def _findings(settings: Settings, against: str, on_the_cluster: bool) -> list[Finding]:
    found = _compared(load_catalog(settings.schemas), settings, against)
    try:
        found += _declared(load_project(settings), settings, on_the_cluster)
    except ImportError as error:  # a contract that is gone takes its class away: told beside what it means for others
        file, message = error.path or str(settings.root), f"cannot be imported: {error}: mend what imports it"
        found.append(Finding.at("import", Severity.ERROR, file, message))
    return sorted(found, key=lambda each: list(Severity).index(each.severity))


def _compared(catalog: Catalog, settings: Settings, against: str) -> list[Finding]:
    """What the contracts contradict of what they were."""
    baselines = [*_baselines(settings, against)]
    if not baselines:
        message = "nothing was deployed from here to compare contracts with: say with what (--against main)"
        return [Finding.at("not-compared", Severity.INFO, settings.schemas, message)]
    return [each for baseline in baselines for each in compare(catalog, settings.schemas, baseline, settings.retired)]


def _declared(project: Project, settings: Settings, on_the_cluster: bool) -> list[Finding]:
    """What the project's declarations are told of."""
    found = find_problems(project.catalog, settings.schemas, _handlers(project))
    found += check_queries(project.catalog, project.tables, project.responders)
    found += check_bounds(project.catalog, project.declared.values())
    if on_the_cluster:
        found += deployed_code(project)
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
            if isinstance(each, Table):
                require_table(each, project.catalog)
            elif isinstance(each, Process):
                require_process(each, project.catalog)
            elif isinstance(each, Subscriber | Job):
                require_effects(each, project.catalog)
        except ContractError as error:
            for line in str(error).splitlines():
                yield Finding.at("group", Severity.ERROR, each.group, line)


def _handlers(project: Project) -> list[Receiver | Listener]:
    return [
        _receiver(each) if isinstance(each, Aggregate | Job) else _listener(each) for each in project.declared.values()
    ]


def _receiver(receiver: Aggregate[Any] | Job) -> Receiver:
    handles = {command.__contract__: handler.function for command, handler in receiver.handlers.items()}
    publishes = _names(receiver.publishes) if isinstance(receiver, Job) else frozenset()
    return Receiver(receiver.group, receiver.namespace, handles, publishes, answers=not isinstance(receiver, Job))


def _listener(listener: Table[Any] | Process[Any] | Subscriber) -> Listener:
    publishes = _names(listener.publishes) if isinstance(listener, Subscriber) else frozenset()
    return Listener(listener.group, _names(listener.handlers), publishes)


def _names(messages: Iterable[type[Message]]) -> frozenset[str]:
    return frozenset(each.__contract__ for each in messages)
