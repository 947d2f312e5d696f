"""Commands for later as the console shows them, and cancelling one: what ``verbwire scheduled`` does."""

from __future__ import annotations

import logging
import time
from typing import Annotated, Any

import msgspec

from verbwire.client.base.connection import Connection
from verbwire.http.base import limits
from verbwire.http.console.record_looks import stop_after
from verbwire.inspection.reading.cluster_view import opened
from verbwire.inspection.scheduled import DUE_NEXT, ScheduledFilter, scheduled, scheduled_command, schedules
from verbwire.leading.scheduled import cancel_scheduled
from verbwire.principal import Principal
from verbwire.project import Project

_SHOWN = 100  # of each context, those that are due next
_log = logging.getLogger("verbwire.http")
Json = dict[str, Any]


class FindScheduledWish(msgspec.Struct, forbid_unknown_fields=True):
    """Which commands for later an operator looks for: those of them that are due next."""

    where: ScheduledFilter = DUE_NEXT
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = _SHOWN


class CancelScheduledWish(msgspec.Struct, forbid_unknown_fields=True):
    """It is to be cancelled."""


class ConsoleScheduled:
    """Asks the schedulers of a project. Every method blocks: call it off the loop."""

    def __init__(self, project: Project, connection: Connection, seconds: float = limits.RECORD_SECONDS) -> None:
        self._project = project
        self._connection = connection
        self._seconds = seconds

    def listed(self) -> Json:
        """Return the commands of all contexts that are due next, and the schedules."""
        with opened(self._project) as view:
            return {"commands": scheduled(view, _SHOWN), "schedules": schedules(view)}

    def found(self, wanted: FindScheduledWish, _: Principal) -> Json:
        """Return the commands that are like that."""
        until = stop_after(time.monotonic() + self._seconds, "name the command, or its context, as well")
        with opened(self._project) as view:
            return {"commands": scheduled(view, wanted.limit, wanted.where, until)}

    def cancel(self, _: CancelScheduledWish, who: Principal, id: str) -> Json:
        """Cancel a command; return what has become of it: `cancelled`, or the code of the scheduler's refusal."""
        with opened(self._project) as view:
            entry = scheduled_command(view, id)
            outcome = cancel_scheduled(self._project, self._connection, entry)
        code = getattr(outcome, "code", "")
        _log.warning("%.200r has %.80r (%s) cancelled: %s", who.actor, id, entry.command, code or "done")
        return {"id": id, "outcome": code or "cancelled", "reason": getattr(outcome, "reason", "")}
