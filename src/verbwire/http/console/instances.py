"""What operators do with process instances over HTTP: what ``verbwire processes retry`` and ``cancel`` do."""

from __future__ import annotations

import logging
from typing import Annotated, Any

import msgspec

from verbwire.client.base.connection import Connection
from verbwire.inspection.reading.cluster_view import opened
from verbwire.leading.instances import InstanceLeader
from verbwire.principal import Principal
from verbwire.project import Project

_log = logging.getLogger("verbwire.http")


class RetryWish(msgspec.Struct, forbid_unknown_fields=True):
    """What an instance waits for is to be asked for again."""

    why: Annotated[str, msgspec.Meta(max_length=500)] = ""


class CancelWish(msgspec.Struct, forbid_unknown_fields=True):
    """It is to be cancelled, and why."""

    why: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]


class ConsoleInstances:
    """Asks the groups of a project's processes. Every method blocks: call it off the loop."""

    def __init__(self, project: Project, connection: Connection) -> None:
        self._project = project
        self._connection = connection

    def retry(self, wanted: RetryWish, who: Principal, name: str, key: str) -> Any:
        """Ask once more for what an instance waits for; return what was asked."""
        with opened(self._project) as view:
            asked = InstanceLeader(view, self._connection).retry(name, key, who.actor or "", wanted.why)
        _log.warning("%.200r has %s %.80r asked again for what it waits for", who.actor, name, key)
        return asked

    def cancel(self, wanted: CancelWish, who: Principal, name: str, key: str) -> Any:
        """Have an instance cancelled; return what was asked."""
        with opened(self._project) as view:
            asked = InstanceLeader(view, self._connection).cancel(name, key, who.actor or "", wanted.why)
        _log.warning("%.200r has %s %.80r cancelled: %.500r", who.actor, name, key, wanted.why)
        return asked
