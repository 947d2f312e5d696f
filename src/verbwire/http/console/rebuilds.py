"""Rebuilds as the console shows them, and the steps that operators take: what ``verbwire rebuild`` does.

Building is a command, ``verbwire rebuild TABLE`` where the project is, since that takes a core for long. On a
Kafka with ACLs a worker's principal needs what the role ``operator`` has on the topic of rebuilds and on those of the
table; where it lacks that, the answer names the missing right.
"""

from __future__ import annotations

import logging
import time
from typing import Annotated, Any

import msgspec

from verbwire.http.base import limits
from verbwire.http.console.record_looks import stop_after
from verbwire.inspection.reading.cluster_view import ClusterView, opened
from verbwire.principal import Principal
from verbwire.project import Project
from verbwire.rebuild import removal
from verbwire.rebuild.diff import diff
from verbwire.rebuild.plan import RebuildPlan
from verbwire.rebuild.report import rebuilds
from verbwire.rebuild.steps import compared, number_for, require_same
from verbwire.rebuild.switch import SwitchOptions, switch

_PREPARE_SECONDS = 20.0  # that a request waits for workers that catch up; they go on, and the step may be taken again
_REACH_SECONDS = 5.0  # for both generations to be where the inputs end: nobody keeps up one that is not followed
_log = logging.getLogger("verbwire.http")
Json = dict[str, Any]


class StepWish(msgspec.Struct, forbid_unknown_fields=True):
    """A step is to be taken with the generation of this number: refused where by now it would be another."""

    generation: Annotated[int, msgspec.Meta(ge=0)]


class ConsoleRebuilds:
    """Looks at the rebuilds of a project, and takes their steps. Every method blocks: call it off the loop."""

    def __init__(self, project: Project, seconds: float = limits.RECORD_SECONDS) -> None:
        self._project = project
        self._seconds = seconds

    def listed(self) -> Any:
        """Return all tables that were ever rebuilt, with their generations, and how far each rebuild is."""
        with opened(self._project) as view:
            return rebuilds(view)

    def compared(self, name: str) -> Any:
        """Return how what is being built, or is kept, differs from what serves."""
        with opened(self._project) as view:
            plan = RebuildPlan.of(view, name)
            other = compared(plan)
            instead = f"`verbwire rebuild {plan.group}` takes all the time it needs"
            until = stop_after(time.monotonic() + self._seconds, instead)
            return diff(plan, plan.generations().serving, other, seconds=_REACH_SECONDS, step=until)

    def switch(self, wanted: StepWish, who: Principal, name: str) -> Json:
        """Have all workers answer from what was built."""
        return self._switch("switch", wanted, who, name)

    def rollback(self, wanted: StepWish, who: Principal, name: str) -> Json:
        """Have them answer from what has served before."""
        return self._switch("rollback", wanted, who, name)

    def forget(self, wanted: StepWish, who: Principal, name: str) -> Json:
        """Delete the generation that has served before."""
        with opened(self._project) as view:
            plan = RebuildPlan.of(view, name)
            _log.warning("%.200r deletes generation %d of %s by the console", who.actor, wanted.generation, plan.group)
            return {"table": plan.group, "deleted": removal.forget(plan, wanted.generation)}

    def discard(self, wanted: StepWish, who: Principal, name: str) -> Json:
        """Give up what is being built, and delete it."""
        with opened(self._project) as view:
            plan = RebuildPlan.of(view, name)
            _log.warning("%.200r discards generation %d of %s by the console", who.actor, wanted.generation, plan.group)
            return {"table": plan.group, "deleted": removal.discard(plan, wanted.generation)}

    def _switch(self, how: str, wanted: StepWish, who: Principal, name: str) -> Json:
        with opened(self._project) as view:
            plan = _plan(view, name, how, wanted)
            done = switch(plan, wanted.generation, SwitchOptions(_PREPARE_SECONDS))
        _log.warning("%.200r has %s answered from generation %d", who.actor, plan.group, done.serving)
        return {"table": plan.group, **msgspec.to_builtins(done)}


def _plan(view: ClusterView, name: str, how: str, wanted: StepWish) -> RebuildPlan:
    plan = RebuildPlan.of(view, name)
    require_same(plan, wanted.generation, number_for(plan, how))
    return plan
