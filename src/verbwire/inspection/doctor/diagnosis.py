"""One thing that is wrong, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import msgspec

from verbwire.inspection.reading.cluster_view import ClusterView


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """One finding: by which check, about what, and what to do. `grave`: something is lost, wrong, or stands still."""

    check: str
    about: str
    what: str
    do: str
    grave: bool = False


class Patient(msgspec.Struct):
    """What the checks look at, and what they tell beside their findings: versions, sizes, clocks."""

    view: ClusterView
    facts: dict[str, str] = {}
    stale_seconds: float = 60.0  # how long a transaction may be open: longer than verbwire's own take
    kept_days: float = 7.0  # how long a generation that has served before may be kept up to date
    least_disk: float = 0.05  # the part of a disk that should be free


Check: TypeAlias = Callable[[Patient], Iterator[Diagnosis]]
