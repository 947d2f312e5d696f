"""Is this process beyond repair, and does it answer for all it owns: two questions that must not be mixed.

An orchestrator restarts what is not live and sends nobody to what is not ready. A restore, a stopped partition or an
unreachable broker makes a worker unready, never dead.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from verbwire.http.problem import Problem, unavailable


class GroupHealth(Protocol):
    """What the engine says of one group. Both are called on HTTP's loop: they look, they never wait."""

    @property
    def name(self) -> str:
        """The group's name."""
        ...

    def live(self) -> str | None:
        """Why only a new process can help, or None."""
        ...

    def not_ready(self) -> list[str]:
        """What keeps this worker from answering for the group, one sentence per partition; empty when nothing does."""
        ...


class Health:
    """Asks every group of this worker. `groups` may still grow while the worker starts."""

    def __init__(self, groups: Sequence[GroupHealth]) -> None:
        self._groups = groups
        self._leaving = False

    def leave(self) -> None:
        """Be ready no more: this worker is about to stop. From any thread."""
        self._leaving = True

    def dead(self) -> Problem | None:
        """Return 503 when a group is beyond repair, None while the process is worth keeping."""
        reasons = {group.name: why for group in self._groups if (why := group.live()) is not None}
        if not reasons:
            return None
        return Problem(503, "dead", "this process cannot recover: start a new one", more={"groups": reasons})

    def not_ready(self) -> Problem | None:
        """Return 503 with what is missing, None when this worker answers for everything it owns."""
        if self._leaving:
            return unavailable("leaving", "this worker is about to stop: ask another")
        missing = {group.name: reasons for group in self._groups if (reasons := group.not_ready())}
        if self._groups and not missing:
            return None
        detail = "not everything that this worker owns is ready" if missing else "the worker is starting"
        return unavailable("not_ready", f"{detail}: ask again", more={"groups": missing})
