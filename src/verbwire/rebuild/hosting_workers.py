"""The workers that host a table or an aggregate, as the directory knows them."""

from __future__ import annotations

from verbwire.discovery.directory import Directory
from verbwire.inspection.living_workers import heard_now
from verbwire.names import generation_name
from verbwire.rebuild.plan import RebuildPlan
from verbwire.wire.records.workers import WorkerRecord


class HostingWorkers:
    """The workers of a table as the directory knows them."""

    def __init__(self, plan: RebuildPlan) -> None:
        self._plan = plan
        self._directory: Directory = plan.view.directory
        heard_now(self._directory)

    def hosting(self, number: int) -> list[str]:
        """The workers that live, and announce that they answer for a generation."""
        name = generation_name(self._plan.group, number)
        return [each.name for each in self._living() if any(share.group == name for share in each.groups)]

    def missing(self, serving: int, number: int) -> str:
        """Return what a generation lacks to serve; empty where it lacks nothing, or where no worker is there at all."""
        hosts, others = set(self.hosting(serving)), set(self.hosting(number))
        if late := sorted(hosts - others):
            return f"{', '.join(late)} does not follow generation {number} yet (or is of a release that cannot)"
        if not hosts:
            return ""
        name = generation_name(self._plan.group, number)
        shares = [share for each in self._living() for share in each.groups if share.group == name]
        ready = {each for share in shares for each in share.ready}
        partitions = self._plan.partitions(number)
        if absent := [each for each in range(partitions) if each not in ready]:
            stopped = sorted({each for share in shares for each in share.stopped})
            why = f", {', '.join(map(str, stopped))} stopped" if stopped else ""
            return f"{len(absent)} of {partitions} partitions of generation {number} are not ready{why}"
        return ""

    def _living(self) -> list[WorkerRecord]:
        return [seen.worker for seen in self._directory.seen() if seen.worker.url and self._directory.is_alive(seen)]
