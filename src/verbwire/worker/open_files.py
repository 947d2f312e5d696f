"""Counts the files that a worker needs to have open, before it starts, not when it runs out of them.

What is counted is the most: all partitions of its groups may be its own one day. The figures of clients were counted on
running workers (a client of librdkafka has a pipe and a thread for each broker that it knows, used or not).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from verbwire.declarations import Declared
from verbwire.declarations.job import Job
from verbwire.declarations.subscriber import Subscriber
from verbwire.engine.state.connections import COPY_FILES, READERS
from verbwire.errors import ConfigurationError
from verbwire.http.base.limits import ConnectionLimits
from verbwire.worker.services import GroupHost

log = logging.getLogger(__name__)

_OWN = 64  # Python's, the log's, the listening socket, the registry's, connections between workers
_TABLE_CLIENTS = 4  # two producers, the restorer, offsets
_EFFECT_CLIENTS = 4  # a consumer, a producer; a job's producer of outcomes, and a reader of them at the beginning
_SHARED_CLIENTS = 8  # the directory, replies, commands over HTTP and their outcomes
_HTTP = ConnectionLimits()
_LEAST_READERS = 16  # descriptors
_LEAST_CONNECTIONS = 16
_MOST_READERS = 512


@dataclass(frozen=True, slots=True)
class HostedFiles:
    """What a worker is about to host."""

    tables: Sequence[int]  # groups that keep rows: how many partitions each
    effects: int  # groups of subscribers and jobs
    brokers: int

    @classmethod
    def of(cls, declared: Sequence[Declared], brokers: int) -> HostedFiles:
        """Return it as far as it is known before a group's topics have been looked at."""
        tables = [1 for each in declared if not isinstance(each, Subscriber | Job)]
        return cls(tables, len(declared) - len(tables), brokers)

    def with_partitions(self, hosted: Sequence[GroupHost]) -> HostedFiles:
        """Return it with the partitions that its groups have."""
        return replace(self, tables=[len(table.store_reader.states) for each in hosted for table in each.tables])


@dataclass(frozen=True, slots=True)
class SpareDescriptors:
    """The descriptors that are left for HTTP."""

    connections: int
    readers: int  # descriptors of those who read copies at the same time


def spare_descriptors(hosted_files: HostedFiles, limit: int) -> SpareDescriptors:
    """Return what is left for HTTP; ConfigurationError where the limit of open files is too low for the rest."""
    parts = _parts(hosted_files)
    least = sum(parts.values()) + _LEAST_CONNECTIONS + _HTTP.health_connections + _LEAST_READERS
    if limit < least:
        raise _too_few(hosted_files, parts, least, limit)
    left = limit - least
    readers = min(_MOST_READERS, _LEAST_READERS + left // 3)
    return SpareDescriptors(min(_HTTP.connections, _LEAST_CONNECTIONS + left // 2), readers)


def share_files(hosted_files: HostedFiles, limit: int) -> ConnectionLimits:
    """Share the spare descriptors among local stores and HTTP, and return the limits of HTTP's connections.

    ConfigurationError as :func:`spare_descriptors`.
    """
    left = spare_descriptors(hosted_files, limit)
    READERS.limit = left.readers
    if left.connections < _HTTP.connections:
        told = "%d open files are allowed: HTTP takes %d connections at a time, not %d (ulimit -n)"
        log.warning(told, limit, left.connections, _HTTP.connections)
    return replace(_HTTP, connections=left.connections)


def _parts(hosted_files: HostedFiles) -> dict[str, int]:
    tables, client = len(hosted_files.tables), 5 + 3 * hosted_files.brokers
    clients = tables * _TABLE_CLIENTS + hosted_files.effects * _EFFECT_CLIENTS + _SHARED_CLIENTS
    return {
        "the copies": COPY_FILES * sum(hosted_files.tables),
        "the clients of Kafka": clients * client + tables * (4 + 2 * hosted_files.brokers),
        "the rest": _OWN,
    }


def _too_few(hosted_files: HostedFiles, parts: dict[str, int], least: int, limit: int) -> ConfigurationError:
    enough = 1024
    while enough < least + _HTTP.connections:
        enough *= 2
    told = ", ".join(f"{number} for {what}" for what, number in parts.items())
    return ConfigurationError(
        f"this worker needs {least} open files and may have {limit}: {told} of {len(hosted_files.tables)} tables with "
        f"{sum(hosted_files.tables)} partitions. Allow more before it starts (`ulimit -n {enough}`; systemd: "
        f"LimitNOFILE={enough}; compose: ulimits, nofile), or host fewer groups in it"
    )
