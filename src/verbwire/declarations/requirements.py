"""Checks what tables, processes and subscribers need of their contracts, before anything runs."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from verbwire.contracts.schema.model import Catalog, Contract
from verbwire.declarations.job import Job
from verbwire.declarations.process import Process
from verbwire.declarations.schedule import Schedule
from verbwire.declarations.scheduler import Scheduler
from verbwire.declarations.subscriber import Subscriber
from verbwire.declarations.table import Table
from verbwire.errors import ContractError
from verbwire.messages import Command, Kind
from verbwire.names import scheduler_of

_TIMESTAMPS = ("timestamp-millis", "timestamp-micros")


def require_fit(declared: object, catalog: Catalog) -> None:
    """Raise ContractError where a group does not get what it needs; of aggregates nothing is asked here."""
    if isinstance(declared, Table):
        require_table(declared, catalog)
    elif isinstance(declared, Process):
        require_process(declared, catalog)
    elif isinstance(declared, Subscriber | Job):
        require_effects(declared, catalog)
    elif isinstance(declared, Scheduler):
        for schedule in declared.schedules.values():
            if (command := schedule.sent()) is not None:
                require_schedule(schedule, catalog.of(command))


def require_table(table: Table[Any], catalog: Catalog) -> None:
    """Raise ContractError where a table has no handlers, or keys or windows do not fit its row and its events."""
    if not table.handlers:
        raise ContractError(f"table {table.group} handles no event: add a handler with @on")
    for event in table.keys:
        if event not in table.handlers:
            raise ContractError(f"table {table.group} re-keys {event.__name__} and does not handle it: add a handler")
    row = catalog.of(table.row)
    if table.window is None:
        if len(row.key) > 1:
            raise ContractError(
                f"table {table.group}: a row of {row.name} stands under {', '.join(row.key)}, which only rows of "
                "windows may: give the table a window, or the row one key"
            )
        return
    if len(row.key) != 2 or not _is_timestamp(row.fields[row.key[1]]):
        raise ContractError(
            f"table {table.group}: a row of windows stands under two fields, what is counted and a timestamp, when the "
            f"window begins; the key of {row.name} is {', '.join(row.key)}"
        )
    for contract in map(catalog.of, table.handlers):
        if contract.time is None:
            raise ContractError(
                f'table {table.group} has windows of event time, and {contract.name} has none: name its field, "time"'
            )


def require_process(process: Process[Any], catalog: Catalog) -> None:
    """Raise ContractError where no event starts a process, or its commands, their outcomes or its scopes do not fit.

    An instance that waits for an outcome that never comes, or that no handler takes, would hang for ever. Each of its
    versions has to fit, and all of them keep their states in one changelog, under one key.
    """
    for each in process.versions:
        _require_version(each, catalog)
    states = [catalog.of(each.state) for each in process.versions]
    if len({(state.namespace, *(str(state.fields[field]) for field in state.key)) for state in states}) > 1:
        raise ContractError(
            f"process {process.group}: its versions keep {' and '.join(state.name for state in states)}: states of one "
            "process have to be of one namespace, and their keys of one type"
        )


def _require_version(process: Process[Any], catalog: Catalog) -> None:
    if not process.handlers and not process.receivers:
        raise ContractError(f"process {process.group} handles no event, so nothing can start it: add one with @on")
    for received in map(catalog.of, process.receivers):
        if received.response == "none":
            raise ContractError(
                f"process {process.group} receives {received.name}, which by its contract has no outcome: a job may"
            )
    for command in process.outcomes:
        contract = catalog.of(command)
        if contract.reply is not None:
            catalog.find(contract.reply)
    problems = [text for command in process.sends for text in _misfits(process, command, catalog.of(command))]
    if problems:
        raise ContractError("\n".join(problems))


def _misfits(process: Process[Any], command: type[Command], contract: Contract) -> Iterator[str]:
    """What is wrong with a command that a process sends; one line each."""
    whose, name = f"process {process.group}", command.__name__
    if contract.response != "none" and command not in process.outcomes and command not in process.ignored:
        yield (
            f"{whose} sends {contract.name}, which promises an outcome, and does not handle it: add a handler with "
            f"@outcome_of({name}), or say that it does not matter here: ignores=[{name}]"
        )
    if contract.requires.difference(process.scopes):
        yield _unpermitted(contract, whose, process.scopes)


def cancelling(process: Process[Any], catalog: Catalog) -> list[str]:
    """Return the schedulers that may cancel commands whose outcomes a process handles: there it hears of that."""
    contracts = map(catalog.of, process.outcomes)
    return sorted({scheduler_of(each.namespace) for each in contracts if each.schedulable})


def require_effects(group: Subscriber | Job, catalog: Catalog) -> None:
    """Raise ContractError where a subscriber or a job may send commands that their receiver would refuse."""
    lacking = [each for each in map(catalog.of, group.sends) if each.requires.difference(group.scopes)]
    if lacking:
        raise ContractError("\n".join(_unpermitted(each, group.group, group.scopes) for each in lacking))
    for event in group.publishes:
        catalog.of(event)


def require_permitted(contract: Contract, group: str, scopes: Collection[str]) -> None:
    """Raise ContractError where a group sends a command that its receiver would refuse, for want of a scope."""
    if contract.requires.difference(scopes):
        raise ContractError(_unpermitted(contract, group, scopes))


def require_schedule(schedule: Schedule, contract: Contract) -> None:
    """Raise ContractError where a schedule's command is of another context, or needs scopes that it has not."""
    if contract.kind is not Kind.COMMAND or contract.namespace != schedule.namespace:
        raise ContractError(
            f"schedule {schedule.name} sends {contract.name}, which is no command of {schedule.namespace}: call it "
            "after the context whose command it sends"
        )
    require_permitted(contract, f"schedule {schedule.name}", schedule.scopes)


def _unpermitted(contract: Contract, group: str, scopes: Collection[str]) -> str:
    missing = " ".join(sorted(contract.requires.difference(scopes)))
    return (
        f"{group} sends {contract.name}, which requires {missing}: it would be refused every time. Add that to the "
        f"scopes of {group}"
    )


def _is_timestamp(avro: Any) -> bool:
    return isinstance(avro, dict) and avro.get("logicalType") in _TIMESTAMPS
