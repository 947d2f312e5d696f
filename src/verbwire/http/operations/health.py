"""Liveness (can this process go on?) and readiness (does it answer for all it owns?), which must not be mixed.

An orchestrator restarts what is not live, and routes no requests to what is not ready. A worker is ready whose
partitions are being restored, or that has lost its broker, is not, but never dead.

A partition that is stopped until an operator decides makes no worker unready: the others serve on, any worker passes
queries on, and neither a restart nor another worker would help. It is listed beside `ready`, as are partitions that are
behind. But where every partition of a worker is stopped it serves nothing of its own, and is not ready: so a
rollout of code that breaks everywhere comes to its end at the first worker, not at the last.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from verbwire.http.base import problem_types
from verbwire.http.base.problem import HttpProblem, unavailable


class PartitionHealth(NamedTuple):
    """The owned partitions of a group: stopped until an operator decides, or behind (by how many records)."""

    owned: Collection[int] = ()
    stopped: Collection[int] = ()
    behind: Mapping[int, int] = {}


class GroupHealth(Protocol):
    """What the engine says of one group. All are called on HTTP's loop: they look, they never wait."""

    @property
    def name(self) -> str:
        """The group's name."""
        ...

    def live(self) -> str | None:
        """Why only a new process can help, or None."""
        ...

    def not_ready(self) -> list[str]:
        """What keeps this worker from serving the group, one sentence per partition; empty when nothing does."""
        ...

    def partition_health(self) -> PartitionHealth:
        """The owned partitions, and which of them are stopped or behind."""
        ...


class Health:
    """Asks every group of this worker. `groups` may still grow while the worker starts."""

    def __init__(self, groups: Sequence[GroupHealth]) -> None:
        self._groups = groups
        self._leaving = False

    def leave(self) -> None:
        """Be ready no more: this worker is about to stop. From any thread."""
        self._leaving = True

    def dead(self) -> HttpProblem | None:
        """Return 503 when a group is beyond repair, None while the process is worth keeping."""
        reasons = {group.name: why for group in self._groups if (why := group.live()) is not None}
        if not reasons:
            return None
        return HttpProblem(problem_types.DEAD, "this process cannot recover: restart it", more={"groups": reasons})

    def not_ready(self) -> HttpProblem | None:
        """Return 503 with what is missing, None when this worker serves what it owns."""
        if self._leaving:
            return unavailable(problem_types.LEAVING, "this worker is stopping: ask another")
        missing = {group.name: reasons for group in self._groups if (reasons := group.not_ready())}
        if self._groups and not missing:
            return self._all_stopped()
        detail = "not everything that this worker owns is ready" if missing else "the worker is starting"
        return unavailable(problem_types.NOT_READY, f"{detail}: ask again", more={"groups": missing})

    def partition_health(self) -> dict[str, Any]:
        """Return, by group, the stopped partitions and those that are behind, by how many records.

        Why one is stopped is in the log and in ``GET /tables``: health is open to everybody, and an error may
        hold data.
        """
        found = {group.name: group.partition_health() for group in self._groups}
        return {
            "stopped": {name: sorted(each.stopped) for name, each in found.items() if each.stopped},
            "behind": {
                name: {str(partition): records for partition, records in sorted(each.behind.items())}
                for name, each in found.items()
                if each.behind
            },
        }

    def _all_stopped(self) -> HttpProblem | None:
        every = [group.partition_health() for group in self._groups]
        if not any(each.owned for each in every) or any(set(each.owned) - set(each.stopped) for each in every):
            return None
        detail = "every partition that this worker owns is stopped until an operator decides: see GET /tables"
        return HttpProblem(problem_types.STOPPED, detail, {"Retry-After": "30"}, self.partition_health())
