"""A table folded anew in memory, from the first event on: what a rebuild would make of it, and what would differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from verbwire.declarations.table import Table
from verbwire.messages import Row
from verbwire.testing.memory.engine_groups import MemoryEngineGroup
from verbwire.testing.memory.groups import MemoryServices
from verbwire.testing.memory.parked import require_none_parked, require_running
from verbwire.wire.codec.topics import Codec

R = TypeVar("R", bound=Row)


@dataclass(frozen=True)
class RebuiltTable(Generic[R]):
    """The `rows` that a table's handlers make of all events, by key as in `rows`, and how they differ from those there.

    `added` and `removed` are rows that are on one side alone, `changed` the one that stands and the one made anew.
    """

    rows: Mapping[Any, R]
    added: Mapping[Any, R]
    removed: Mapping[Any, R]
    changed: Mapping[Any, tuple[R, R]]

    @property
    def equal(self) -> bool:
        """Whether no row differs."""
        return not (self.added or self.removed or self.changed)

    @classmethod
    def beside(cls, standing: Mapping[Any, R], rows: Mapping[Any, R]) -> RebuiltTable[R]:
        """Compare rows with those that stand."""
        return cls(
            rows=rows,
            added={key: row for key, row in rows.items() if key not in standing},
            removed={key: row for key, row in standing.items() if key not in rows},
            changed={key: (standing[key], row) for key, row in rows.items() if standing.get(key, row) != row},
        )


def folded_anew(
    services: MemoryServices, table: Table[Any], number: int, rows: Callable[[MemoryEngineGroup], dict[Any, Any]]
) -> dict[Any, Any]:
    """Return the rows of a generation of its own of a table: the one that runs is left as it is.

    Records come in the order in which they were written, over all topics and partitions. Raises as `InMemory.run` does
    for one that cannot be handled, once all others are.
    """
    connection, codec = services.connection, services.codec
    names = connection.names.of_generation(table.group, number)
    apart = replace(
        services,
        connection=replace(connection, names=names),
        codec=Codec(codec.catalog, codec.registry, names),
        folder=Path(services.folder) / f"generation-{number}",
    )
    group = apart.group(table)
    assert isinstance(group, MemoryEngineGroup)  # noqa: S101 (that is what a table becomes)
    try:
        while group.step_in_order():
            pass
        require_running(group)
        require_none_parked(group)
        return rows(group)
    finally:
        group.close()
