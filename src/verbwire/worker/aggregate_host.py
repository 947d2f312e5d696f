"""One aggregate as a worker hosts it: it is told of rebuilds, by which the states that it decides on are exchanged.

While that is under way nobody reads the states (`http/tables/table_switch.py`), and none is exchanged here before the
last answer that was begun is given: so no list has states of both.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from verbwire.declarations.aggregate import Aggregate
from verbwire.http.tables.queryable_table import QueryableTable
from verbwire.http.tables.table_switch import TableSwitch
from verbwire.wire.records.rebuilds import RebuildWord
from verbwire.worker.engine_group import EngineGroup, host
from verbwire.worker.remote_tables import follow, generation_elsewhere
from verbwire.worker.services import Services


@dataclass
class AggregateHost(EngineGroup):
    """The group of an aggregate; read through `switch`."""

    switch: TableSwitch[QueryableTable] = field(init=False)

    def __post_init__(self) -> None:
        table = self.table
        self.switch = TableSwitch(table.name, lambda number: generation_elsewhere(table, number))
        self.switch.add(0, table)
        self._front = replace(table, switch=self.switch)

    @property
    def tables(self) -> list[QueryableTable]:
        """What stands for its states."""
        return [self._front]

    def told(self, word: RebuildWord) -> None:
        """Take the newest word about this aggregate. From the watch's thread."""
        follow(self.switch, word)
        if self.engine.exchanger is not None:
            self.engine.exchanger.told(word.generations.exchange, lambda: self.switch.drained)


def host_aggregate(declared: Aggregate[Any], services: Services) -> AggregateHost:
    """Build the group's engine on its topics as they are deployed."""
    return AggregateHost(**vars(host(declared, services)))
