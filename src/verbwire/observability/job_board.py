"""Shows what this worker's jobs are doing now: jobs write it, HTTP reads it."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass
class Running:
    """One command that a job is working on."""

    group: str  # as declared, without prefix
    command: str  # full name of its contract
    id: str
    topic: str
    partition: int
    offset: int
    attempt: int
    started: datetime
    done: float = 0.0
    total: float = 0.0
    note: str = ""


class JobBoard:
    """The commands that jobs of this process work on. Safe to call from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: list[Running] = []

    def begin(self, entry: Running) -> None:
        """Show it."""
        with self._lock:
            self._running.append(entry)

    def end(self, entry: Running) -> None:
        """Show it no longer."""
        with self._lock:
            self._running.remove(entry)

    def shown(self) -> list[dict[str, Any]]:
        """Return what is under way, the longest first, as ``GET /jobs`` shows it."""
        now = datetime.now(UTC)
        with self._lock:
            return [_shown(entry, now) for entry in self._running]


def _shown(entry: Running, now: datetime) -> dict[str, Any]:
    return {
        "group": entry.group,
        "command": entry.command,
        "id": entry.id,
        "position": {"topic": entry.topic, "partition": entry.partition, "offset": entry.offset},
        "attempt": entry.attempt,
        "started": entry.started,
        "seconds": round((now - entry.started).total_seconds(), 3),
        "progress": {"done": entry.done, "total": entry.total, "note": entry.note},
    }
