"""The directory's record: one ``verbwire.Worker`` per worker process, in ``<project>.workers``.

Its schema is a contract of verbwire's own, deployed like the outcome log's.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from verbwire.contracts.schema.model import Schema
from verbwire.messages import Row
from verbwire.wire.records.internal_contracts import own_contract

_PARTITIONS: Schema = {"type": "array", "items": "int"}
_SCHEMA: Schema = {
    "type": "record",
    "namespace": "verbwire",
    "name": "Worker",
    "doc": "What one worker process answers for; the record's key is its name. Said again every few seconds.",
    "kind": "row",
    "key": "name",
    "fields": [
        {"name": "name", "type": "string", "doc": "stable over restarts"},
        {"name": "url", "type": "string", "doc": "where other workers and clients reach its HTTP"},
        {"name": "started_at", "type": "long", "doc": "milliseconds since the epoch, by its own clock"},
        {"name": "beat", "type": "long", "doc": "counts its announcements since it was started"},
        {"name": "leaving", "type": "boolean", "default": False, "doc": "it is about to stop: ask others"},
        {
            "name": "groups",
            "type": {
                "type": "array",
                "items": {
                    "type": "record",
                    "name": "GroupShare",
                    "fields": [
                        {"name": "group", "type": "string", "doc": "as declared, without prefix"},
                        {"name": "generation", "type": "int", "doc": "of the consumer group; the highest is right"},
                        {"name": "owned", "type": _PARTITIONS},
                        {"name": "ready", "type": _PARTITIONS, "doc": "those that it can answer for"},
                        {
                            "name": "stopped",
                            "type": _PARTITIONS,
                            "default": [],
                            "doc": "partitions stopped until an operator acts",
                        },
                        {
                            "name": "caught_up",
                            "type": _PARTITIONS,
                            "default": [],
                            "doc": "those whose sources it has read to where they ended when it began",
                        },
                    ],
                },
            },
            "default": [],
        },
    ],
}
WORKER = own_contract(_SCHEMA, __file__)


class GroupShare(msgspec.Struct, frozen=True, kw_only=True):
    """A worker's share of one group: the partitions it owns, and the state of some of them."""

    group: str
    generation: int = 0
    owned: tuple[int, ...] = ()
    ready: tuple[int, ...] = ()
    stopped: tuple[int, ...] = ()
    caught_up: tuple[int, ...] = ()


class WorkerRecord(Row, frozen=True, kw_only=True):
    """The heartbeat of one worker, as it announces itself."""

    __contract__: ClassVar[str] = WORKER.name
    __fingerprint__: ClassVar[str] = WORKER.fingerprint

    name: str
    url: str
    started_at: int
    beat: int
    leaving: bool = False
    groups: tuple[GroupShare, ...] = ()
