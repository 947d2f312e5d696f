"""Holds what all consumer groups of a worker have in common, whichever client joins them: seconds and sentences."""

from __future__ import annotations

SESSION_SECONDS = 8.0
"""Without a heartbeat for so long a member loses its partitions."""

HEARTBEAT_SECONDS = 1.0

REVOKE_SECONDS = 4.0
"""Work in flight may take so long when partitions are revoked; less than the session."""

NOT_ASSIGNED = "waiting for the group to assign partitions"
"""Why a group is not ready that has just been joined."""


def duplicate_worker(worker: str, group: str) -> str:
    """Return why two static members of one name cannot go on: each fences the other, in turn."""
    return (
        f"another process uses the worker name {worker!r} in group {group}: "
        "give each worker a name of its own (VERBWIRE_WORKER)"
    )
