"""The copies that one restore makes from nothing: each is loaded beside its place, and put there once it is whole."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor

from verbwire.engine.restore.changelog_task import RestoredCopy
from verbwire.engine.restore.log_completeness import LogState
from verbwire.engine.state.copy_load import CopyLoad
from verbwire.engine.state.memory import MEMORY
from verbwire.engine.state.store import PartitionStore
from verbwire.engine.topology import ROWS
from verbwire.errors import UnavailableError

LEAST = 10_000  # offsets: fewer are as quickly written into the copy itself
AT_ONCE = min(4, os.cpu_count() or 1)  # copies that are written, or whose indexes are built: SQLite needs no GIL for it


class CopyLoads:
    """The loads of one group. Belongs to the engine's thread."""

    def __init__(self) -> None:
        self._loads: dict[int, CopyLoad] = {}

    def begin(self, partition: int, store: PartitionStore, logs: Sequence[LogState], partitions: int) -> None:
        """Begin a load where `store` has read nothing yet of its logs; `partitions` share the memory.

        One that was stopped goes on where the log of the rows has its beginning still, as it must for a new one.
        UnavailableError where the disk cannot take it; `store` is closed then.
        """
        if sum(log.end for log in logs) < LEAST or any(store.position(log.name) for log in logs):
            return
        whole = all(log.begins == 0 for log in logs if log.name == ROWS)
        try:
            self._loads[partition] = CopyLoad(
                store, {log.name: log.end for log in logs} if whole else None, MEMORY.pages // partitions
            )
        except BaseException:
            store.close()
            raise

    def of(self, partition: int, store: PartitionStore) -> RestoredCopy:
        """Return what takes the logs of a partition: its load, or its copy itself."""
        return self._loads.get(partition, store)

    def finish(self, partitions: Collection[int]) -> dict[int, Exception]:
        """Make the copies of these partitions whole; return those of which that failed, and why."""
        todo = {each: load for each in partitions if (load := self._loads.pop(each, None)) is not None}
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="restore") as pool:
            found = dict(zip(todo, pool.map(_finish, todo.values()), strict=True))
        return {partition: error for partition, error in found.items() if error is not None}

    def close(self) -> None:
        """Stop all that are not finished; the next restore goes on with what is sound of them."""
        while self._loads:
            self._loads.popitem()[1].close()


def _finish(load: CopyLoad) -> Exception | None:
    try:
        load.finish()
    except (sqlite3.Error, OSError, UnavailableError) as error:
        load.close()
        return error
    return None
