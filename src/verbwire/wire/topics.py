"""The settings of topics, by what they hold: for how long, and how they are compacted."""

from __future__ import annotations

_MINUTE = 60_000
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR

OUTCOME_RETENTION_MS = 7 * _DAY
"""How long outcomes are kept, and how long aggregates remember the ids of their commands: the idempotency window."""

LARGEST_RECORD = 4 * 1024 * 1024
"""Bytes of the largest record of a source together with the headers that a dead letter or a repartition adds."""

# Kafka deletes and compacts whole closed segments only, and by default closes them after 1 GiB or 7 days.
EVENTS = {
    "cleanup.policy": "delete",
    "retention.ms": "-1",
    "retention.bytes": "-1",
    "message.timestamp.type": "LogAppendTime",  # event times are held against the broker's clock, not a producer's
}
COMMANDS = {
    "cleanup.policy": "delete",
    "retention.ms": str(30 * _DAY),
    "segment.ms": str(_DAY),
    "message.timestamp.type": "LogAppendTime",  # deadlines are measured by the broker's clock, not by the sender's
}
OUTCOMES = {"cleanup.policy": "delete", "retention.ms": str(OUTCOME_RETENTION_MS), "segment.ms": str(_DAY)}
CHANGELOG = {
    "cleanup.policy": "compact",
    "segment.bytes": str(50 * 1024 * 1024),
    "segment.ms": str(6 * _HOUR),
    "min.cleanable.dirty.ratio": "0.2",  # restoring reads what is not compacted yet
    "delete.retention.ms": str(7 * _DAY),  # a local store older than half of this is rebuilt
}
REPARTITION = {
    "cleanup.policy": "delete",
    "retention.ms": str(7 * _DAY),
    "segment.ms": str(_DAY),
    "max.message.bytes": str(LARGEST_RECORD),
}
REQUEUED = REPARTITION
PARKED = {**CHANGELOG, "max.message.bytes": str(LARGEST_RECORD)}
REQUESTS = {  # kept as long as dead letters: who asked for what, and why
    "cleanup.policy": "delete",
    "retention.ms": str(90 * _DAY),
    "segment.ms": str(7 * _DAY),
    "message.timestamp.type": "LogAppendTime",
}
REPLIES = {"cleanup.policy": "delete", "retention.ms": str(_HOUR), "segment.ms": str(10 * _MINUTE)}
DEAD_LETTERS = {
    "cleanup.policy": "delete",
    "retention.ms": str(90 * _DAY),
    "segment.ms": str(7 * _DAY),
    "max.message.bytes": str(LARGEST_RECORD),
}
WORKERS = {
    "cleanup.policy": "compact",
    "segment.bytes": str(1024 * 1024),
    "segment.ms": str(_HOUR),
    "message.timestamp.type": "LogAppendTime",  # who is silent for long is told by one clock, the broker's
}
REBUILDS = WORKERS
