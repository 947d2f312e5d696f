"""Checks that the logs of a partition hold the output for the inputs that the group has committed.

Committed offsets are the inputs that were processed, the logs what came of them. Offsets without a log are a
contradiction: to go on would be to answer from an empty table, or to decide without memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from verbwire.engine.restore.kept_copy import KeptCopy
from verbwire.engine.state.parked import PARKED_FACT
from verbwire.engine.state.store import PartitionStore
from verbwire.engine.topology import ANSWERS, PARKED, ROWS, Topology
from verbwire.errors import EngineError
from verbwire.kafka.offsets import Committed


@dataclass(frozen=True, slots=True)
class LogState:
    """One partition of a log as it stands on the broker."""

    name: str
    topic: str
    id: str
    begins: int  # the first offset that it holds
    end: int
    may_be_empty: bool = False


def decided(committed: Mapping[str, Committed], topology: Topology) -> bool:
    """Whether an operator has set all of the group's offsets by hand since a worker committed any: a decision.

    Where the requests are read on says nothing of the rows.
    """
    apart = topology.requests.topic if topology.requests else None
    return all(each.offset is not None and not each.by for topic, each in committed.items() if topic != apart)


def require_whole(
    logs: Sequence[LogState], committed: Mapping[str, Committed], kept: KeptCopy | None, ways: str
) -> None:
    """Raise EngineError where a log lacks what was once in it.

    Kafka compacts a changelog without moving its first offset: where that has moved, records were deleted. A copy that
    has read them is as good as they were.
    """
    read = [f"{topic} up to {each.offset}" for topic, each in committed.items() if each.offset]
    for log in logs:
        same = kept is not None and _is_of(kept, log)
        position = kept.positions[log.name] if kept is not None and same else 0
        if position > log.end:
            raise EngineError(
                f"{log.topic} ends at {log.end}, and the copy here has read up to {position}: its end is lost. {ways}"
            )
        if log.end == 0 and read and not log.may_be_empty and not (same and kept and kept.inputs):
            raise never_written(log.topic, ", ".join(read), ways)
        if log.name == ROWS and position < log.begins and (read or log.end > log.begins):
            raise EngineError(
                f"{log.topic} no longer holds its records up to {log.begins}, and there is no copy of them here: "
                "they were deleted, or its cleanup.policy is not compact. "
                f"Start the worker that has a copy. {ways}"
            )


def require_both(logs: Sequence[LogState], kept: KeptCopy | None, applied: Mapping[str, int], ways: str) -> None:
    """Raise EngineError where one log holds positions of inputs, and nothing was ever written to another.

    Asked once they are restored: that one is longer may be due to transactions that were aborted.
    """
    for log in logs:
        if applied and log.end == 0 and not log.may_be_empty and not (kept and _is_of(kept, log)):
            raise never_written(log.topic, "inputs, as its other log tells", ways)


def require_parked(store: PartitionStore, topology: Topology) -> None:
    """Raise EngineError where parked records are lost, by the number that stands beside the rows."""
    said, logs = int(store.facts().get(PARKED_FACT, 0)), [log.topic for log in topology.logs if log.name == PARKED]
    if said and not logs:
        raise EngineError(
            f"{said} records are parked, and {topology.group} declares no parking any more: declare it until they are "
            "handled (`verbwire parked retry`), else later records of their keys would overtake them"
        )
    if said and (there := sum(each.records for each in store.parked_keys().values())) != said:
        raise EngineError(
            f"{said} records are parked, and {logs[0]} holds {there} of them: without the others later records would "
            f"overtake them. {recovery_advice(topology)}"
        )


def never_written(topic: str, done: str, ways: str) -> EngineError:
    """Return the error for a log that lacks everything."""
    return EngineError(
        f"nothing was ever written to {topic}, but the group has dealt with {done}: the topic was deleted and made "
        f"again, and what it held is gone. {ways}"
    )


def fits(kept: KeptCopy, logs: Sequence[LogState]) -> bool:
    """Whether a copy is one of these logs, and no further than they are."""
    return all(_is_of(kept, log) and kept.positions[log.name] <= log.end for log in logs)


def _is_of(kept: KeptCopy, log: LogState) -> bool:
    """Whether a copy is one of this log; that of an earlier release knows nothing of one that may be empty."""
    return kept.topics.get(log.name, log.id if log.may_be_empty else None) == log.id


def recovery_advice(topology: Topology) -> str:
    """Return the ways out for a log that has lost its records."""
    own = [*(log.topic for log in topology.logs), *([topology.repartition] if topology.repartition else [])]
    again = (
        "commands that are still in their topic are then decided, and their events published, once more"
        if any(log.name == ANSWERS for log in topology.logs)
        else "its inputs are then read from the beginning"
    )
    return (
        "A copy that is here is left as it is. Restore the topic from a backup, and set the group's offsets to where "
        f"that ends; or rebuild {topology.group}: stop its workers, delete {', '.join(own)}, run `verbwire deploy`, "
        "set the group's offsets to the beginning (kafka-consumer-groups.sh --reset-offsets --to-earliest), start "
        f"them: {again}"
    )
