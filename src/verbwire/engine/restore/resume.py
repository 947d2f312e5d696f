"""Decides where a partition reads an input on, or why it must not.

The group's offset is the truth, the changelog's is the second witness: where the broker forgot an idle group's offsets
(after 7 days), the log still knows how far its rows are.
"""

from __future__ import annotations

from verbwire.errors import EngineError
from verbwire.kafka.offsets import Committed


def require_unread(topic: str, committed: Committed, first: int) -> None:
    """The group reads its repartition topic from the first record on: where that is gone, its sources are, too."""
    if committed.offset is None and first > 0:
        raise EngineError(
            f"{topic} has lost its records up to {first}, and the group has forgotten whether it had dealt with them. "
            "Set the group's offset to go on, or rebuild the table: delete its changelog and this topic, deploy again"
        )


def require_same(topic: str, group_offset: Committed, applied: int | None) -> None:
    """Raise EngineError for an input that is another topic than the one that was read, unless an operator has decided.

    The group's offset, set by hand, is where to begin in the new one.
    """
    if (group_offset.offset and group_offset.by) or (group_offset.offset is None and applied):
        raise EngineError(
            f"{topic} was deleted and made again: the group has read the one before up to "
            f"{group_offset.offset or applied}, which is no offset of this one. To go on with the rows as they "
            "are, end the group's workers and set its offset in it by hand (kafka-consumer-groups.sh --reset-offsets "
            "--to-earliest, or to where the records are new); or rebuild the table"
        )


def read_from(topic: str, group_offset: Committed, applied: int | None, first: int, end: int) -> int:
    """Return the offset to read an input from; EngineError where it is not known what has been dealt with."""
    committed = group_offset.offset
    if committed is None and applied is None:
        return first
    if committed is not None and applied is not None and committed < applied:
        raise EngineError(
            f"the group's offset in {topic} is {committed}, but records up to {applied} are in its table already: "
            "reading them again would count them twice. Restore the offset, or rebuild the table"
        )
    start = max(committed or 0, applied or 0)
    if start > end:
        raise EngineError(
            f"the group's offset in {topic} is {start}, which ends at {end}: it has lost its end, or is another topic "
            "by now. Find out which, then set the group's offset to go on"
        )
    if start < first:
        raise EngineError(
            f"{topic} no longer holds the records from {start} to {first}: they were not processed before "
            "retention removed them. Decide what is lost, then set the group's offset to go on"
        )
    return start
