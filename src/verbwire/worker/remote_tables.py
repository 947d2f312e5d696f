"""Tables of the project that other workers keep: known here, so that requests for them can be forwarded."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from dataclasses import replace
from functools import partial

from verbwire.declarations import Declared
from verbwire.declarations.aggregate import STATE, Aggregate
from verbwire.declarations.process import Process
from verbwire.declarations.scheduler import Scheduler
from verbwire.declarations.table import Table
from verbwire.engine.processors.scheduled_rows import INDEX
from verbwire.engine.state.reader import StoreReader
from verbwire.errors import UnavailableError
from verbwire.http.tables.queryable_table import QueryableTable
from verbwire.http.tables.table_switch import TableSwitch
from verbwire.kafka.offsets import ClusterOffsets
from verbwire.messages import Message, Stored
from verbwire.names import generation_name
from verbwire.project import Project
from verbwire.wire.records.rebuilds import RebuildWord
from verbwire.wire.records.scheduled import SCHEDULED, ScheduledRecord
from verbwire.worker.services import Services

log = logging.getLogger(__name__)


def remote_tables(project: Project, here: Collection[str], services: Services) -> list[QueryableTable]:
    """Return the tables of all groups but those `here`, without a row in them.

    One whose topic is not deployed yet is left out, and the log says so.
    """
    return list(_tables(project, here, services))


def _tables(project: Project, here: Collection[str], services: Services) -> Iterator[QueryableTable]:
    names, cluster = services.codec.names, ClusterOffsets(services.kafka, "")
    for group, declared in project.declared.items():
        kept = _kept(declared)
        if group in here or kept is None:
            continue
        table, row = kept
        topic = names.changelog(names.group(group), table)
        try:
            partitions = cluster.topics([topic])[topic].partitions
        except UnavailableError as error:
            log.warning("this worker cannot forward requests for table %s: %s", group, error)
            continue
        contract = SCHEDULED if isinstance(declared, Scheduler) else services.codec.catalog.of(row)
        store_reader = StoreReader(group, contract, partitions)
        found = QueryableTable(store_reader, _nothing_to_read, *_looked_for(declared))
        if isinstance(declared, Table | Aggregate):
            switch = TableSwitch(group, partial(generation_elsewhere, found))
            if number := dict(names.generations).get(group, 0):
                switch.serve(number)
            found = replace(found, switch=switch)
        yield found


def generation_elsewhere(like: QueryableTable, number: int) -> QueryableTable:
    """Return what stands for a generation of a table that is at other workers."""
    reader = like.store_reader
    elsewhere = StoreReader(generation_name(reader.name, number), reader.row, reader.partitions)
    return replace(like, store_reader=elsewhere, decode=_nothing_to_read, switch=None)


def follow(switch: TableSwitch[QueryableTable], word: RebuildWord) -> None:
    """Take the newest word about a table that is at other workers: those wait until their rows are new enough."""
    if word.paused_until_ms:
        switch.pause()
    elif word.generations.last:
        switch.serve(word.generations.serving)


def _kept(declared: Declared) -> tuple[str, type[Stored]] | None:
    """The table that a group keeps: its name within the group, and its rows."""
    match declared:
        case Aggregate():
            return STATE, declared.state
        case Table():
            return declared.table, declared.row
        case Process():
            return declared.table, declared.state
        case Scheduler():
            return declared.table, ScheduledRecord
        case _:
            return None


def _looked_for(declared: Declared) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The fields that queries filter and sort on, and those that they search."""
    if isinstance(declared, Scheduler):
        return INDEX, ()
    return (declared.index, declared.search) if isinstance(declared, Table) else ((), ())


def _nothing_to_read(value: bytes) -> Message | None:
    raise NotImplementedError("no partition of this table is ever here")
