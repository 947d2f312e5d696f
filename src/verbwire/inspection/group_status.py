"""What is told of one worker and of one group; `status` finds it out, `oddities` judges it."""

from __future__ import annotations

import msgspec

from verbwire.inspection.lag import ConsumerGroupLag
from verbwire.inspection.parked_counts import ParkedCount

NO_OWNER = "no owner"
"""In the place of a state: of partitions that no worker that lives has."""


class WorkerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A worker as it announces itself: `state` is ``there``, ``leaving``, ``silent``, or ``not believed``, and why."""

    name: str
    url: str
    state: str
    heard_seconds_ago: float
    groups: int = 0
    owned: int = 0
    stopped: int = 0


class GroupStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A group. `states` are its partitions by state, `owners` by worker; ``no owner``: no worker that lives has them.

    `stopped`: why each stopped partition is, an empty text where the workers could not be asked. `dead_letters` are
    those that have not been requeued, `parked` what cannot go on. None: unknown.
    """

    group: str
    kind: str
    partitions: int | None
    states: dict[str, list[int]]
    owners: dict[str, list[int]]
    stopped: dict[int, str]
    lag: ConsumerGroupLag | None
    dead_letters: int | None
    parked: ParkedCount | None = None

    @property
    def stands(self) -> bool:
        """Whether a part of it stands still until somebody acts."""
        return bool(self.stopped or NO_OWNER in self.states)
