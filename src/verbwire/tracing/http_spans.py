"""Names spans of HTTP requests, and their attributes, as OpenTelemetry's semantic conventions for HTTP do.

The path is left out, it has keys of rows in it: the route is there.

Source: https://opentelemetry.io/docs/specs/semconv/http/http-spans/
"""

from __future__ import annotations

from verbwire.tracing.seam import SpanKind, Tracer, TraceSpan


def serving(tracer: Tracer, method: str, parent: str | None) -> TraceSpan:
    """Begin the span of a request that has come in."""
    return tracer.begin(method, SpanKind.SERVER, {"http.request.method": method}, parent)


def served(span: TraceSpan, method: str, route: str | None, status: int) -> None:
    """Note what it was about, and what was answered; a 5xx fails it."""
    span.note({"http.response.status_code": status})
    if route is not None:
        span.rename(f"{method} {route}")
        span.note({"http.route": route})
    if status >= 500:
        span.fail(str(status))
