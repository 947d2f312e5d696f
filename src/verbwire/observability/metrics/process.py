"""Tells what the process itself has: name and version, memory for rows, whether Kafka is reached, sizes of tables."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, Protocol

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from verbwire.observability.metrics.groups import GROUP
from verbwire.observability.metrics.specs import CounterSpec, GaugeSpec

INFO = GaugeSpec(
    "worker_info",
    "Always 1: the worker's name and the version of verbwire, as labels.",
    "Two versions at once are a rolling upgrade that has not ended.",
    ("worker", "version"),
)
KAFKA_REACHED = GaugeSpec(
    "kafka_reached",
    "1 while Kafka is reached, 0 during an outage.",
    "0: what needs Kafka waits and goes on by itself. `verbwire doctor`.",
)
MEMORY_LIMIT = GaugeSpec(
    "memory_limit_bytes",
    "Limit of each part of the setting `cache_bytes`.",
    "Compare with `process_resident_memory_bytes`.",
    ("part",),
)
CACHE = GaugeSpec(
    "cache_bytes",
    "Estimated memory used by cached rows and ids.",
    "At its limit with many misses: raise `cache_bytes`.",
)
CACHE_HITS = CounterSpec(
    "cache_hits",
    "Rows and ids found in memory at the start of a batch.",
    "Beside misses: the share that memory serves.",
)
CACHE_MISSES = CounterSpec(
    "cache_misses", "Rows and ids that had to be read from the local copy.", "Many: raise `cache_bytes`."
)
CACHE_EVICTIONS = CounterSpec("cache_evictions", "Rows and ids evicted from memory.", "Many: raise `cache_bytes`.")
TABLE_ROWS = GaugeSpec(
    "table_rows",
    "Rows of the partitions that are running here, of a process its open instances, as last counted: every 30 s, "
    "more seldom where counting takes long.",
    "A process whose instances grow and grow: they wait for something that does not come, `verbwire processes list`.",
    GROUP,
)
TABLE_BYTES = GaugeSpec(
    "table_bytes",
    "Bytes of the local copies that are open here, with remembered command ids, looked at when the rows are counted.",
    "Beside the room on the disk of `data`.",
    GROUP,
)
OLDEST_INSTANCE = GaugeSpec(
    "oldest_instance_seconds",
    "How long ago the open instance of a process that waits longest made its last step, of the partitions that are "
    "running here; 0 where none is open. Looked at when rows are counted.",
    "Longer than the process may take: `verbwire processes list` names the instance and what it waits for.",
    GROUP,
)

PENDING = GaugeSpec(
    "scheduled_pending",
    "Commands for later that wait for their time at a scheduler's partitions here. Looked at when rows are counted.",
    "Growing without end: more is sent for later than falls due. `verbwire scheduled list` shows which are next.",
    GROUP,
)

SPECS = (
    *(INFO, KAFKA_REACHED, MEMORY_LIMIT, CACHE, CACHE_HITS, CACHE_MISSES, CACHE_EVICTIONS, TABLE_ROWS, TABLE_BYTES),
    *(OLDEST_INSTANCE, PENDING),
)


class MemoryUsage(Protocol):
    """Of the memory for rows and ids."""

    @property
    def used(self) -> int:
        """Bytes, estimated."""
        ...

    @property
    def hits(self) -> int:
        """How often something was there."""
        ...

    @property
    def misses(self) -> int:
        """How often it was not."""
        ...

    @property
    def evictions(self) -> int:
        """How many were let go."""
        ...


class TableSize(NamedTuple):
    """How large the part of a table is that a worker has."""

    rows: int
    bytes: int
    oldest_step: float | None = None  # of a process's open instances, since the epoch; infinity where there is none
    pending: int | None = None  # commands that wait at a scheduler


class MemoryCollector(Collector):
    """Asks for the memory of rows and ids whenever the metrics are read."""

    def __init__(self, limits: Mapping[str, int], usage: Callable[[], MemoryUsage]) -> None:
        self._limits = limits
        self._usage = usage

    def collect(self) -> Iterator[Metric]:
        """Yield limits and usage."""
        usage = self._usage()
        yield MEMORY_LIMIT.family(((part,), size) for part, size in self._limits.items())
        yield CACHE.family([((), usage.used)])
        yield CACHE_HITS.family([((), usage.hits)])
        yield CACHE_MISSES.family([((), usage.misses)])
        yield CACHE_EVICTIONS.family([((), usage.evictions)])


class TableSizesCollector(Collector):
    """Asks for the sizes of tables that were counted last; what was not counted yet is left out."""

    def __init__(self, sizes: Callable[[], Mapping[str, TableSize]]) -> None:
        self._sizes = sizes

    def collect(self) -> Iterator[Metric]:
        """Yield rows and bytes by group, and the age of processes' instances."""
        sizes = self._sizes()
        yield TABLE_ROWS.family(((group,), size.rows) for group, size in sizes.items())
        yield TABLE_BYTES.family(((group,), size.bytes) for group, size in sizes.items())
        steps = {group: size.oldest_step for group, size in sizes.items() if size.oldest_step is not None}
        yield OLDEST_INSTANCE.family(((group,), max(0.0, time.time() - step)) for group, step in steps.items())
        yield PENDING.family(((group,), size.pending) for group, size in sizes.items() if size.pending is not None)


class ProcessMetrics:
    """Has the process tell of itself, whenever the metrics are read."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def worker(self, name: str, version: str) -> None:
        """This is the worker of that name."""
        INFO.on(self._registry).labels(name, version).set(1)

    def kafka(self, reached: Callable[[], bool]) -> None:
        """Ask this for whether Kafka is reached."""
        KAFKA_REACHED.asks(self._registry, reached)

    def memory(self, limits: Mapping[str, int], usage: Callable[[], MemoryUsage]) -> None:
        """Show the limits of the parts of memory, in bytes, and what is in use of that for rows and ids."""
        self._registry.register(MemoryCollector(limits, usage))

    def tables(self, sizes: Callable[[], Mapping[str, TableSize]]) -> None:
        """Ask this for the sizes of the tables here, by group."""
        self._registry.register(TableSizesCollector(sizes))
