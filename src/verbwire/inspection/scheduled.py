"""What schedulers keep, as operators see it: commands that wait, or did lately, and schedules. Workers answer."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from verbwire.declarations.scheduler import Scheduler
from verbwire.dotted_names import DottedNames
from verbwire.errors import ConfigurationError
from verbwire.inspection.reading.cluster_view import ClusterView
from verbwire.inspection.worker_http import OperatorHttp
from verbwire.wire.keys import key_shown
from verbwire.wire.records.scheduled import SCHEDULE_ID, ScheduledStatus

_PAGE = 1000


class ScheduledEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A command that is sent for later. Times are milliseconds since the epoch; `scopes` are those of its actor."""

    context: str
    id: str
    status: str
    command: str
    key: str
    due: int
    changed: int
    actor: str = ""
    scopes: tuple[str, ...] = ()
    failure: str = ""


class ScheduleState(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule: `last` is the due time that was fired last, None for none; `due` the next, None before it began."""

    name: str
    cron: str
    timezone: str
    missed: str
    last: int | None
    due: int | None
    failure: str = ""


def scheduled(
    view: ClusterView, context: str | None, limit: int, status: str = ScheduledStatus.PENDING.value, command: str = ""
) -> list[ScheduledEntry]:
    """Return commands of this status, of all contexts or one, in order of their time; `limit` of each."""
    found: list[ScheduledEntry] = []
    filters = {"status": status, "sort": "due", **({"command": command} if command else {})}
    for scheduler in _schedulers(view, context):
        found += [_entry(view, scheduler, row) for row in _rows(view, scheduler, filters, limit)]
    return sorted(found, key=lambda each: each.due)


def scheduled_command(view: ClusterView, id: str) -> ScheduledEntry:
    """Return the command of an id, whatever became of it; :class:`ConfigurationError` where no scheduler knows it."""
    with closing(OperatorHttp(view)) as http:
        for scheduler in _schedulers(view, None):
            row = http.find(f"/tables/{quote(scheduler.group, safe='')}/{quote(id, safe='')}")
            if row is not None:
                return _entry(view, scheduler, row)
    raise ConfigurationError(f"no command of the id {id} is scheduled, nor was one in the last days")


def schedules(view: ClusterView) -> list[ScheduleState]:
    """Return the schedules that are declared, with what their schedulers have made of them."""
    found: list[ScheduleState] = []
    for scheduler in _schedulers(view, None):
        if scheduler.schedules:
            rows = {row["id"]: row for row in _rows(view, scheduler, {"status": ScheduledStatus.SCHEDULE.value}, _PAGE)}
            for name, each in scheduler.schedules.items():
                row = rows.get(f"{SCHEDULE_ID}{name}", {})
                found.append(
                    ScheduleState(
                        name=name,
                        cron=each.cron,
                        timezone=each.timezone,
                        missed=each.missed,
                        last=row.get("changed") or None,
                        due=row.get("due"),
                        failure=row.get("failure", ""),
                    )
                )
    return sorted(found, key=lambda each: each.name)


def _schedulers(view: ClusterView, context: str | None) -> Sequence[Scheduler]:
    known = {each.namespace: each for each in view.project.schedulers}
    if context is None:
        return [*known.values()]
    match DottedNames(known).matching(context):
        case [found]:
            return [known[found]]
        case _:
            raise ConfigurationError(f"{context} has no scheduler: there are {', '.join(known) or 'none'}")


def _rows(view: ClusterView, scheduler: Scheduler, filters: Mapping[str, str], limit: int) -> Iterator[dict[str, Any]]:
    left, cursor = limit, ""
    with closing(OperatorHttp(view)) as http:
        while left > 0:
            asked = {**filters, "page_size": str(min(left, _PAGE)), **({"cursor": cursor} if cursor else {})}
            page = http.ask(f"/tables/{quote(scheduler.group, safe='')}?{urlencode(asked)}")
            yield from page["rows"][:left]
            left, cursor = left - len(page["rows"]), page.get("next") or ""
            if not cursor or not page["rows"]:
                return


def _entry(view: ClusterView, scheduler: Scheduler, row: Mapping[str, Any]) -> ScheduledEntry:
    headers = {each["name"]: b64decode(each["value"]).decode() for each in row.get("headers", ())}
    return ScheduledEntry(
        context=scheduler.namespace,
        id=row["id"],
        status=row["status"],
        command=row["command"],
        key=_key(view, row["command"], b64decode(row["key"])),
        due=row["due"],
        changed=row["changed"],
        actor=row["actor"],
        scopes=tuple(headers.get("ce_scopes", "").split()),
        failure=row["failure"],
    )


def _key(view: ClusterView, command: str, key: bytes) -> str:
    contract = view.project.catalog.contracts.get(command)
    return key.hex() if contract is None else key_shown(contract, key)
