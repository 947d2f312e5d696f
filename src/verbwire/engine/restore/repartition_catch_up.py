"""Finds out when a re-keyed table has caught up: what other partitions had to forward counts in it, too.

Each partition knows where its own inputs ended when it was restored. Of the others it is enough to know that they have
read that far: all that they forward of it stands in the group's own topic then, and up to the end that this has by
now it has to be read. They are here, or other workers', which announce it in the directory.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from contextlib import suppress

from verbwire.engine.state.reader import PartitionStatus, StoreReader
from verbwire.errors import UnavailableError
from verbwire.kafka.offsets import ClusterOffsets

LOOK_SECONDS = 0.2
REST_SECONDS = 1.0  # while nothing waits


class RepartitionCatchUp:
    """Finds the end offsets up to which the partitions that are here read the repartition `topic`."""

    def __init__(
        self,
        reader: StoreReader,
        sources: Collection[str],
        topic: str,
        cluster: ClusterOffsets,
        caught_up_elsewhere: Callable[[str, int], bool],
    ) -> None:
        self._reader = reader
        self._sources = sources
        self._topic = topic
        self._cluster = cluster
        self._caught_up_elsewhere = caught_up_elsewhere
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"catching up {reader.name}", daemon=True)

    def start(self) -> None:
        """Look again and again, on a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end."""
        self._stopping.set()

    def look(self) -> bool:
        """Look once, and return whether any partition waits; UnavailableError when the broker is silent."""
        waiting = {
            state.partition: state.end_offsets
            for state in self._reader.states.values()
            if not state.end_offsets.complete
        }
        if not waiting or not all(map(self._has_read, self._reader.states.values())):
            return bool(waiting)
        ends = self._cluster.ends((self._topic, partition) for partition in waiting)
        for partition, end_offsets in waiting.items():  # of a partition that was started over meanwhile it is another's
            end_offsets.ends = {**end_offsets.ends, self._topic: ends[self._topic, partition]}
            end_offsets.complete = True
        return False

    def _has_read(self, state: PartitionStatus) -> bool:
        return state.has_read(self._sources) or self._caught_up_elsewhere(self._reader.name, state.partition)

    def _run(self) -> None:
        waiting = True
        while not self._stopping.wait(LOOK_SECONDS if waiting else REST_SECONDS):
            with suppress(UnavailableError):  # the outage is logged elsewhere; the next look asks again
                waiting = self.look()
