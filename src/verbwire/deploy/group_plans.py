"""What each declared group needs on the cluster: the one description that `deploy` and ACLs go by."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from verbwire.contracts.schema.model import Catalog
from verbwire.declarations import Declared
from verbwire.declarations.aggregate import STATE, Aggregate
from verbwire.declarations.job import Job
from verbwire.declarations.process import Process
from verbwire.declarations.subscriber import Subscriber
from verbwire.declarations.table import Table
from verbwire.messages import Kind, Message
from verbwire.wire.topics import GroupPlan


def group_plans(declared: Iterable[Declared], catalog: Catalog) -> list[GroupPlan]:
    """Return the plans of these groups."""
    return [_group_plan(each, catalog) for each in declared]


def _group_plan(declared: Declared, catalog: Catalog) -> GroupPlan:
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
            sent, published = _namespaces(declared.sends), _namespaces(declared.publishes)
            return GroupPlan(declared.group, kind, read, retries=True, sends=sent, publishes=published)
        case Process():
            heard, outcomes, sent = tuple(declared.sources), tuple(declared.answering), _namespaces(declared.sends)
            return GroupPlan(declared.group, Kind.EVENT, heard, (declared.table,), outcomes, rekeys=True, sends=sent)
        case Table():
            rekeys = bool(declared.keys)
            return GroupPlan(declared.group, Kind.EVENT, tuple(declared.sources), (declared.table,), rekeys=rekeys)


def _namespaces(messages: Collection[type[Message]]) -> tuple[str, ...]:
    return tuple(sorted({each.__contract__.rpartition(".")[0] for each in messages}))
