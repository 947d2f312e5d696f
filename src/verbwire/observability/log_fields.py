"""What a log line belongs to, as far as the thread that writes it knows: worker, group, handler, record, trace.

Nothing is done for it where records are handled: whoever logs a line looks at what the handler watch shows already.
"""

from __future__ import annotations

from verbwire.observability.watch.handlers import current_spot
from verbwire.tracing.seam import active

_worker = ""


def name_worker(name: str) -> None:
    """Say which worker the lines of this process are of."""
    global _worker
    _worker = name


def log_fields() -> dict[str, str | int]:
    """Return the fields of a line that is logged now, by this thread; what is not known is left out."""
    found: dict[str, str | int | None] = {"worker": _worker, **_at_work()}
    if (tracer := active()) is not None and (traceparent := tracer.current()) is not None:
        _, found["trace_id"], found["span_id"], _ = traceparent.split("-")
    return {name: value for name, value in found.items() if value not in (None, "")}


def _at_work() -> dict[str, str | int | None]:
    spot = current_spot()
    if spot is None:
        return {}
    at, handler = spot.at, spot.handler
    if at is None:
        return {"group": spot.group}
    found: dict[str, str | int | None] = {"group": spot.group, "handler": handler.where if handler else None}
    if isinstance(at, str):
        return found
    found |= {"topic": at.topic, "partition": at.partition, "offset": at.offset}
    return found | _said(getattr(at, "headers", ()))


def _said(raw: object) -> dict[str, str | int | None]:
    from verbwire.errors import UndecodableError
    from verbwire.wire.headers import Headers

    headers = Headers(raw)  # type: ignore[arg-type]  # a record's, whoever read it
    try:
        return {
            "message_id": headers.id,
            "correlation_id": headers.correlation_id,
            "causation_id": headers.causation_id,
        }
    except UndecodableError:
        return {}
