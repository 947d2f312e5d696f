"""Looks into topics for the console: they read records, which takes as long as there are many, so they have an end."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from verbwire.errors import UnavailableError
from verbwire.http.base import limits
from verbwire.inspection.history import history
from verbwire.inspection.processes import InstanceFilter, open_instances
from verbwire.inspection.reading.cluster import OpenCluster, open_cluster
from verbwire.inspection.reading.cluster_view import opened
from verbwire.inspection.rejections import rejections
from verbwire.inspection.trace import trace
from verbwire.inspection.why import why
from verbwire.project import Project

_CHECKED = 1000  # records between two looks at the clock


class RecordLooks:
    """Follows keys and flows through a project's topics. Every method blocks: call it off the loop."""

    def __init__(self, project: Project, seconds: float = limits.RECORD_SECONDS) -> None:
        self._project = project
        self._seconds = seconds

    def rejections(self) -> Any:
        """Return the newest outcomes that are no acceptance."""
        return self._read(
            "the newest outcomes are looked for again", lambda cluster, step: rejections(cluster, step=step)
        )

    def history(self, name: str, key: str) -> Any:
        """Return every record of a key in a context."""
        return self._read(
            f"`verbwire log {name} {key}` takes all the time it needs",
            lambda cluster, step: history(cluster, name, key, step=step),
        )

    def trace(self, name: str) -> Any:
        """Return the flow of a message or a correlation id, of the last 24 hours."""
        return self._read(
            f"`verbwire trace {name}` takes all the time it needs",
            lambda cluster, step: trace(cluster, name, step=step),
        )

    def why(self, name: str, key: str) -> Any:
        """Return what led to a row."""
        return self._read(
            f"`verbwire why {name} {key}` takes all the time it needs",
            lambda cluster, step: why(cluster, name, key, step=step),
        )

    def processes(self) -> Any:
        """Return the open instances of all processes, and what each waits for."""
        until = stop_after(time.monotonic() + self._seconds, "`verbwire processes list` takes all the time it needs")
        with opened(self._project) as view:
            return open_instances(view, step=until)

    def instance(self, name: str, key: str) -> Any:
        """Return an open instance of a process with its steps and all commands that it has sent; none if it is over."""
        until = stop_after(time.monotonic() + self._seconds, f"`verbwire processes show {name} {key}` takes its time")
        with opened(self._project) as view:
            return open_instances(view, [name], 1, InstanceFilter(key=key), until)

    def _read(self, instead: str, look: Callable[[OpenCluster, Callable[[], None]], Any]) -> Any:
        with open_cluster(self._project) as cluster:
            return look(cluster, stop_after(time.monotonic() + self._seconds, instead))


def stop_after(end: float, instead: str) -> Callable[[], None]:
    """Return what is called for each record, and raises UnavailableError once the time is over."""
    records = 0

    def step() -> None:
        nonlocal records
        records += 1
        if records % _CHECKED == 0 and time.monotonic() > end:
            raise UnavailableError(f"reading took too long, and was broken off after {records:,} records: {instead}")

    return step
