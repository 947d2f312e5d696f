"""The scheduler of a context: keeps its commands that are sent for later, and its schedules, until their time comes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from verbwire.contracts.schema.model import Catalog
from verbwire.declarations.aggregate import Aggregate
from verbwire.declarations.handlers import Handler
from verbwire.declarations.job import Job
from verbwire.declarations.process import Process
from verbwire.declarations.schedule import Schedule
from verbwire.errors import ContractError
from verbwire.messages import Kind
from verbwire.names import scheduler_of

PENDING = "pending"  # the name of its table within its group


class Scheduler:
    """A group that nobody declares: a context has one where a command's contract says that it is schedulable.

    Or where a :class:`Schedule` is called after it. Workers that host the receiver of the context host it as well.
    """

    handlers: Mapping[Any, Handler] = {}
    table = PENDING

    def __init__(self, namespace: str, schedules: Iterable[Schedule] = ()) -> None:
        self.namespace = namespace
        self.group = scheduler_of(namespace)
        self.schedules = {each.name: each for each in schedules}


def received_by(declared: Iterable[object]) -> set[str]:
    """Return the contexts whose commands these declarations receive."""
    return {each.namespace for each in declared if isinstance(each, Aggregate | Job | Process) and each.namespace}


def schedulers(declared: Iterable[object], schedules: Iterable[Schedule], catalog: Catalog) -> list[Scheduler]:
    """Return the schedulers of the contexts whose receivers are among these declarations, or that have a schedule.

    :class:`ContractError` where two schedules have one name, or one is called after a context without commands.
    """
    received = received_by(declared)
    named: dict[str, list[Schedule]] = {namespace: [] for namespace in received & catalog.schedulable}
    names = set[str]()
    for each in schedules:
        if each.name in names:
            raise ContractError(f"two schedules are called {each.name}: a schedule's name is its own")
        if not catalog.of_namespace(each.namespace, Kind.COMMAND):
            raise ContractError(
                f"schedule {each.name} is called after {each.namespace}, which has no commands: call it after the "
                "context whose command it sends"
            )
        names.add(each.name)
        named.setdefault(each.namespace, []).append(each)
    return [Scheduler(namespace, found) for namespace, found in sorted(named.items())]
