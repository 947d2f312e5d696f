"""Checks a whole project: its contracts, and the code that claims to follow them. Reads the contracts once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from traceback import extract_tb
from typing import Any

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
from verbwire.contracts.checks.findings import Finding, Severity
from verbwire.contracts.schema.load import read_catalog
from verbwire.contracts.schema.model import Catalog
from verbwire.declarations.aggregate import Aggregate
from verbwire.declarations.job import Job
from verbwire.declarations.process import Process
from verbwire.declarations.requirements import require_fit
from verbwire.declarations.scheduler import Scheduler
from verbwire.declarations.subscriber import Subscriber
from verbwire.declarations.table import Table
from verbwire.declarations.unbounded import check_bounds
from verbwire.deploy.ownership import ownership
from verbwire.errors import ContractError, VerbwireError
from verbwire.messages import Message
from verbwire.project import Project, load_project
from verbwire.queries.check import check_queries
from verbwire.settings import Settings


@dataclass(frozen=True)
class ProjectCheck:
    """What was found, the gravest first, and the project; None where it cannot be loaded."""

    findings: list[Finding]
    project: Project | None = None


def check_project(settings: Settings, against: str = "", *, against_deployed: bool = True) -> ProjectCheck:
    """Check a project; its contracts are compared with those of the commit `against`, and with those last deployed."""
    catalog, problems = read_catalog(settings.schemas)
    if problems:
        return ProjectCheck(unreadable(problems))
    found = _compared(catalog, settings, against) if against or against_deployed else []
    found += check_contracts(catalog, settings.schemas, settings.accepted_names)
    try:
        project = load_project(settings, catalog)
    except Exception as error:  # noqa: BLE001 (whatever a user's module raises is told beside what else is wrong)
        return ProjectCheck(in_order([*found, _not_imported(error, settings)]))
    try:
        found += _declared(project)
    except ContractError as error:
        found.append(Finding.at("declaration", Severity.ERROR, settings.root, str(error)))
    return ProjectCheck(in_order(found), project)


def _not_imported(error: Exception, settings: Settings) -> Finding:
    places = [(each.filename, each.lineno) for each in extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError):  # of a file that was never run: in no frame
        places.append((error.filename or "", error.lineno))
    own = [f"{file}:{line}" for file, line in places if Path(file).is_relative_to(settings.root)]
    where = own[-1] if own else str(settings.root)
    said = str(error) if isinstance(error, VerbwireError) else f"cannot be imported: {type(error).__name__}: {error}"
    return Finding.at("import", Severity.ERROR, where, said)


def _compared(catalog: Catalog, settings: Settings, against: str) -> list[Finding]:
    """What the contracts contradict of what they were."""
    baselines = [*_baselines(settings, against)]
    if not baselines:
        message = "nothing was deployed from here to compare contracts with: name a baseline (--against main)"
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
    groups = [each for each in project.declared.values() if not isinstance(each, Scheduler)]
    found: list[CommandGroup | EventGroup] = [
        _receiver(each) if isinstance(each, Aggregate | Job) else _listener(each) for each in groups
    ]
    return [*found, *(_answering(each) for each in project.processes if each.namespace)]


def _answering(process: Process[Any]) -> CommandGroup:
    handles = {command.__contract__: handler.function for command, handler in process.receivers.items()}
    later = [*process.handlers.values(), *process.outcomes.values(), *process.deadlines.values()]
    steps = [each.function for each in (*later, *filter(None, [process.undoing]))]
    return CommandGroup(process.group, process.namespace or "", handles, steps=steps)


def _receiver(receiver: Aggregate[Any] | Job) -> CommandGroup:
    handles = {command.__contract__: handler.function for command, handler in receiver.handlers.items()}
    publishes = _names(receiver.publishes) if isinstance(receiver, Job) else frozenset()
    return CommandGroup(receiver.group, receiver.namespace, handles, publishes)


def _listener(listener: Table[Any] | Process[Any] | Subscriber) -> EventGroup:
    publishes = _names(listener.publishes) if isinstance(listener, Subscriber) else frozenset()
    return EventGroup(listener.group, _names(listener.handlers), publishes)


def _names(messages: Iterable[type[Message]]) -> frozenset[str]:
    return frozenset(each.__contract__ for each in messages)
