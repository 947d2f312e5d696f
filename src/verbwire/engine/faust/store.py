"""The ``sqlite://`` store of Faust: one SQLite file per table partition.

In a worker of verbwire the engine writes the files, after its commits, and the Faust table reads them. In a Faust app
of your own (``faust.App(..., store="sqlite://")``) Faust writes and recovers them itself, at least once, as it does
with its other stores.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from faust.stores.base import SerializedStore
from faust.streams import current_event
from faust.types import TP

from verbwire.engine.state.changes import StoreChanges
from verbwire.engine.state.reader import StoreReader
from verbwire.engine.state.store import PartitionStore
from verbwire.errors import EngineError
from verbwire.kafka.record import place_of

FAUST_LOG = logging.getLogger("faust.verbwire")
_LOG = "faust"


class FaustStore(SerializedStore):
    """Rows of a Faust table, as bytes."""

    logger = FAUST_LOG

    def __init__(self, url: Any, app: Any, table: Any, **options: Any) -> None:
        super().__init__(url, app, table, **options)
        engine = getattr(app, "engine", None)
        self._reader: StoreReader | None = engine.reader if engine is not None else None
        self._open: dict[int, PartitionStore] = {}

    # -- positions, for Faust's own recovery

    def persisted_offset(self, tp: TP) -> int | None:
        """Return the changelog offset that the copy is up to, or None for an empty one."""
        position = self._partition(tp.partition).position(_LOG)
        return position - 1 if position else None

    def set_persisted_offset(self, tp: TP, offset: int) -> None:
        """Take down how far the copy is."""
        self._partition(tp.partition).apply(StoreChanges(positions={_LOG: offset + 1}))

    def apply_changelog_batch(self, batch: Iterable[Any], to_key: Any, to_value: Any) -> None:
        """Write a batch of changelog events with its position, in one local transaction a partition."""
        changes: dict[int, StoreChanges] = {}
        for event in batch:
            message = event.message
            if message.key is None:
                raise EngineError(f"{place_of(message)} is a row without a key")
            mine = changes.setdefault(message.partition, StoreChanges())
            mine.rows[message.key] = None if message.value is None else (message.value,)
            mine.positions[_LOG] = message.offset + 1
        for partition, mine in changes.items():
            self._partition(partition).apply(mine)

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        """Close the files of partitions that went elsewhere."""
        for tp in revoked:
            if tp.topic == self.table.changelog_topic.get_topic_name() and tp.partition in self._open:
                self._open.pop(tp.partition).close()

    async def on_stop(self) -> None:
        """Close all files."""
        while self._open:
            self._open.popitem()[1].close()

    async def backup_partition(self, tp: Any, flush: bool = True, purge: bool = False, keep: int = 1) -> None:
        """Do nothing: the changelog is the backup."""

    def restore_backup(self, tp: Any, latest: bool = True, backup_id: int = 0) -> None:
        """Do nothing: the changelog is the backup."""

    def reset_state(self) -> None:
        """Throw all copies away; the changelog restores them."""
        self._clear()

    # -- the mapping

    def _get(self, key: bytes) -> bytes | None:
        if self._reader is not None:
            return self._reader.get(key)
        for store in self._stores():
            if found := store.get([key]):
                return found[key]
        return None

    def _set(self, key: bytes, value: bytes | None) -> None:
        self._write(key, None if value is None else (value,))

    def _del(self, key: bytes) -> None:
        self._write(key, None)

    def _write(self, key: bytes, row: tuple[bytes] | None) -> None:
        if self._reader is not None:
            raise EngineError(f"table {self.table_name} is written by the engine alone: change it through its events")
        for store in self._stores():
            store.apply(StoreChanges(rows={key: row}))

    def _iteritems(self) -> Iterator[tuple[bytes, bytes]]:
        if self._reader is not None:
            yield from self._reader.items()
        else:
            for store in self._stores():
                yield from store.items()

    def _iterkeys(self) -> Iterator[bytes]:
        return (key for key, _ in self._iteritems())

    def _itervalues(self) -> Iterator[bytes]:
        return (value for _, value in self._iteritems())

    def _contains(self, key: bytes) -> bool:
        return self._get(key) is not None

    def _size(self) -> int:
        return self._reader.count() if self._reader is not None else sum(store.count() for store in self._stores())

    def _clear(self) -> None:
        for store in self._stores():
            store.rebuild("cleared")

    # -- files, in an app without an engine

    def _stores(self) -> list[PartitionStore]:
        """The partition of the event being handled; outside of a stream all that are open."""
        event = current_event()
        if event is not None and not self.table.is_global:
            return [self._partition(event.message.partition)]
        return list(self._open.values())

    def _partition(self, partition: int) -> PartitionStore:
        if partition not in self._open:
            folder = Path(self.app.conf.tabledir)
            self._open[partition] = PartitionStore(folder / f"{self.table_name}-{partition}.db")
        return self._open[partition]
