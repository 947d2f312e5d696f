"""Records as lines: what every command prints that shows some."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from verbwire.cli.output import print_text
from verbwire.observability.escaping import escaped
from verbwire.settings import load_settings

if TYPE_CHECKING:
    from verbwire.inspection.reading.cluster import OpenCluster
    from verbwire.inspection.reading.records import RecordView


@contextmanager
def opened() -> Iterator[OpenCluster]:
    """Give the cluster of the project that we are in."""
    from verbwire.inspection.reading.cluster import open_cluster
    from verbwire.project import load_project

    with open_cluster(load_project(load_settings())) as cluster:
        yield cluster


def compact(value: Any) -> str:
    """Return a value as JSON on one line."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def compact_ascii(value: Any) -> str:
    """Return JSON on one line that is the same in every encoding, for programs."""
    return json.dumps(value, separators=(",", ":"))


def print_line(*parts: str | None) -> None:
    """Print what there is of these, as one line."""
    print(escaped("  ".join(part for part in parts if part)))


def print_record(view: RecordView) -> None:
    """Print a record: time, place, kind or message, key, contents."""
    print_line(view.time or f"time {view.timestamp}", view.place, short_type(view), view.key or "(no key)", told(view))
    if view.note:
        print_text(f"    {view.note}")


def print_whose(view: RecordView) -> None:
    """Print on whose behalf a record is, and what it follows from, below it."""
    if parts := who(view):
        print_line("   ", *parts)


def who(view: RecordView) -> list[str]:
    """Return on whose behalf a record is, and what it follows from."""
    parts = [f"id {view.id}" if view.id else None, f"by {view.actor}" if view.actor else None]
    if view.causation_id:
        parts.append(f"because of {view.causation_id}")
    if view.correlation_id and view.correlation_id not in (view.id, view.causation_id):
        parts.append(f"flow {view.correlation_id}")
    return [part for part in parts if part]


def short_type(view: RecordView) -> str:
    """Return what a record is, in a word: its message without the namespace, beside what its topic holds."""
    short = (view.type or "?").rpartition(".")[2]
    if view.kind in ("command", "event") or view.type is None:
        return f"{view.kind} {short}" if view.type or view.unreadable else view.kind
    return view.kind if view.kind == "outcome" else f"{view.kind} {short}"


def told(view: RecordView) -> str:
    """Return what a record says, on one line; of an outcome first what matters."""
    if view.unreadable is not None:
        return f"UNREADABLE ({view.unreadable}): {view.value or ''}"
    if view.message is None:
        return "(no value)"
    if view.kind == "outcome":
        return outcome_told(view.message)
    return compact(view.message)


def outcome_told(message: dict[str, Any]) -> str:
    """Return an outcome: what it is, of which command, and why."""
    why = ": ".join(filter(None, (message["code"], message["reason"])))
    reply = "" if message["reply"] is None else f"reply {compact(message['reply'])}"
    details = compact(message["details"]) if message["details"] else ""
    events = f"{len(message['events'])} event(s)" if message["events"] else ""
    named = f"{message['command'].rpartition('.')[2]} {message['command_id']}"
    return "  ".join(filter(None, (message["status"], why, details, named, events, reply)))
