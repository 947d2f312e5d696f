"""Rows as their events add up to them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any, TypeVar

from verbwire.contracts.schema.model import Catalog
from verbwire.declarations.context import Context
from verbwire.declarations.table import Table
from verbwire.messages import Event, Row
from verbwire.testing.comparing import CONTEXT, fitting, registered, show

R = TypeVar("R", bound=Row)


def fold(table: Table[R], *events: Event, catalog: Catalog | None = None, context: Context = CONTEXT) -> R | None:
    """Return the row that these events, all of one key, add up to; None where the last of them deletes it.

    In a table of windows they are all of one window, too: with a `catalog`, which names the events' time, that is
    checked, and the handlers find its begin in their context. Which events are late or too far ahead is the engine's.
    """
    __tracebackhide__ = True
    row: R | None = None
    for event in events:
        event = fitting(event, catalog)
        handler = registered(table.handlers, event, f"table {table.group}", "on")
        context = _in_window(table, event, catalog, context)
        row = handler.call(row, event, lambda: context)  # noqa: B023 (called at once)
        if row is not None:
            row = fitting(row, catalog)
    return row


def _in_window(table: Table[Any], event: Event, catalog: Catalog | None, context: Context) -> Context:
    """The context of an event of the window that `context` names, or that it begins."""
    __tracebackhide__ = True
    if table.window is None or catalog is None:
        return context
    field = catalog.of(event).time
    if field is None:
        raise AssertionError(f"{show(event)}\nhas no time by its contract, table {table.group} is one of windows")
    time: datetime | date = getattr(event, field)
    moment = time if isinstance(time, datetime) else datetime(time.year, time.month, time.day, tzinfo=UTC)
    start = table.window.start_of(moment)
    if context.window not in (None, start):
        raise AssertionError(f"{show(event)}\nis of the window of {start}, those before it of {context.window}")
    return replace(context, window=start)
