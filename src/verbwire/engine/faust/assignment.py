"""One assignment of the consumer group: its partitions, and the membership that fences every commit made under it."""

from __future__ import annotations

from faust.types import TP

from verbwire.engine.transactions.group_metadata import GroupMetadata


class PartitionAssignment:
    """The partitions of one assignment, and the membership under which they were assigned."""

    def __init__(self, membership: GroupMetadata, partitions: set[int] | None = None) -> None:
        self.membership = membership
        self.partitions = partitions  # None until Faust's assignor has been asked
        self.live = True
        self.inputs: set[TP] = set()  # the partitions that are restored and read; replaced, never changed
        self.read: dict[tuple[str, int], int] = {}  # up to where, as the engine knows

    def is_live(self) -> bool:
        """Whether it still holds."""
        return self.live
