"""What schedulers keep, as operators see it: commands that wait, or did lately, and schedules. Workers answer."""

from __future__ import annotations

import sys
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import islice
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


class ScheduledFilter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What commands for later must be like; what is not said does not matter.

    `context` may be a short name, `command` is a full one, `key` is as the list shows it: no index has it, so that all
    commands are gone through that are like the rest.
    """

    context: str | None = None
    status: str = ScheduledStatus.PENDING.value
    command: str = ""
    key: str = ""


DUE_NEXT = ScheduledFilter()


def scheduled(
    view: ClusterView, limit: int, where: ScheduledFilter = DUE_NEXT, step: Callable[[], None] = lambda: None
) -> list[ScheduledEntry]:
    """Return commands that are like that, in order of their time, the first ones; `limit` of each context.

    `step` is called for each that is looked at.
    """
    filters = {"status": where.status, "sort": "due", **({"command": where.command} if where.command else {})}
    found: list[ScheduledEntry] = []
    for scheduler in _schedulers(view, where.context):
        rows = _rows(view, scheduler, filters, None if where.key else limit)
        found += islice(_fitting(view, scheduler, rows, where.key, step), limit)
    return sorted(found, key=lambda each: each.due)


def _fitting(
    view: ClusterView, scheduler: Scheduler, rows: Iterable[Mapping[str, Any]], key: str, step: Callable[[], None]
) -> Iterator[ScheduledEntry]:
    for row in rows:
        step()
        entry = _entry(view, scheduler, row)
        if key in ("", entry.key):
            yield entry


def scheduled_command(view: ClusterView, id: str) -> ScheduledEntry:
    """Return the command of an id, whatever became of it; :class:`ConfigurationError` where no scheduler knows it.

    It lies in the partition of its own key, not of its id: so all are gone through, those that wait first.
    """
    for status in (ScheduledStatus.PENDING, ScheduledStatus.DELIVERED, ScheduledStatus.CANCELLED):
        for scheduler in _schedulers(view, None):
            for row in _rows(view, scheduler, {"status": status.value}, None):
                if row["id"] == id:
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


def _rows(
    view: ClusterView, scheduler: Scheduler, filters: Mapping[str, str], limit: int | None
) -> Iterator[dict[str, Any]]:
    left, cursor = sys.maxsize if limit is None else limit, ""
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
