"""Folds events into a row, as a table does."""

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
    """Fold these events, all of one key, and return the row; None where the last of them deletes it.

    In a windowed table they are all of one window, too: with a `catalog`, which names the events' time, that is
    checked, and the handlers find its start in their context. Late events and those too far ahead are left to
    :class:`InMemory`.
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
    """Return the context with the window of an event, which has to be the one that `context` names, if any."""
    __tracebackhide__ = True
    if table.window is None or catalog is None:
        return context
    field = catalog.of(event).time
    if field is None:
        raise AssertionError(f"{show(event)}\nnames no time in its contract, and table {table.group} is windowed")
    time: datetime | date = getattr(event, field)
    moment = time if isinstance(time, datetime) else datetime(time.year, time.month, time.day, tzinfo=UTC)
    start = table.window.start_of(moment)
    if context.window not in (None, start):
        raise AssertionError(f"{show(event)}\nbelongs to the window of {start}, earlier ones to {context.window}")
    return replace(context, window=start)
