"""What the console knows of a project without asking anybody: its messages, of which forms are made, and its tables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from verbwire.contracts.schema.model import Contract
from verbwire.declarations.aggregate import Aggregate
from verbwire.declarations.process import Process
from verbwire.declarations.table import Table
from verbwire.messages import Message
from verbwire.project import Project
from verbwire.queries.columns import table_columns

Json = dict[str, Any]


def catalog_of(project: Project) -> Json:
    """Return every contract with its facts and its Avro schema, and every table with what finds rows of it."""
    contracts = sorted(project.catalog, key=lambda each: each.name)
    return {"messages": [_message(each) for each in contracts], "tables": _tables(project)}


def _message(contract: Contract) -> Json:
    return {
        "name": contract.name,
        "kind": contract.kind,
        "context": contract.namespace,
        "doc": str(contract.schema.get("doc") or "").strip(),
        "key": contract.key,
        "time": contract.time,
        "requires": sorted(contract.requires),
        "rejections": sorted(contract.rejections),
        "reply": contract.reply,
        "many": contract.many,
        "public": contract.public,
        "schedulable": contract.schedulable,
        "answered": contract.response != "none",
        "avro": contract.schema,
    }


def _tables(project: Project) -> list[Json]:
    found: list[Json] = []
    for group, declared in sorted(project.declared.items()):
        match declared:
            case Table():
                row, columns = project.catalog.of(declared.row), declared.index
                found.append(_table(group, "table", row, columns, declared.search, declared.answers))
            case Aggregate():
                found.append(_table(group, "aggregate", project.catalog.of(declared.state)))
            case Process():
                found.append(_table(group, "process", project.catalog.of(declared.state)))
    return found


def _table(
    group: str,
    kind: str,
    row: Contract,
    index: tuple[str, ...] = (),
    search: tuple[str, ...] = (),
    answers: Iterable[type[Message]] = (),
) -> Json:
    """`columns` are what rows can be filtered and sorted by, besides their key."""
    return {
        "name": group,
        "kind": kind,
        "row": row.name,
        "key": row.key,
        "columns": [{"name": each.name, "sort": each.sort} for each in table_columns(row, index).values()],
        "searchable": bool(search),
        "answers": sorted(each.__contract__ for each in answers),
    }
