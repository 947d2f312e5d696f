"""Keeps traces with OpenTelemetry: its API alone, or its SDK with an exporter over OTLP that we set up.

The only module that imports it (extra ``otel``). Endpoint, sampler, batch sizes and so on are OpenTelemetry's own
``OTEL_*`` variables.

Source: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from verbwire.errors import ConfigurationError
from verbwire.tracing.seam import Attributes, SpanKind, TraceSpan

_HEADER = "traceparent"
_PROPAGATOR = TraceContextTextMapPropagator()


class OtelSpan:
    """A span of OpenTelemetry's."""

    def __init__(self, span: trace.Span) -> None:
        self.span = span

    @property
    def traceparent(self) -> str:
        """By which others continue it."""
        return _text(self.span.get_span_context())

    def note(self, attributes: Attributes) -> None:
        """Add what has become known."""
        self.span.set_attributes(attributes)

    def rename(self, name: str) -> None:
        """Give it the name that has become known."""
        self.span.update_name(name)

    def link(self, traceparent: str) -> None:
        """Say that another span led to it, too."""
        self.span.add_link(_context_of(traceparent))

    def fail(self, what: str) -> None:
        """Say that it has failed."""
        self.span.set_attribute("error.type", what)
        self.span.set_status(trace.StatusCode.ERROR)

    def end(self) -> None:
        """It is over."""
        self.span.end()


class OtelTracer:
    """Begins spans of OpenTelemetry's; without a `provider`, of the process's own, whoever has set it up."""

    def __init__(self, provider: trace.TracerProvider | None = None) -> None:
        self._tracer = trace.get_tracer("verbwire", tracer_provider=provider)

    def begin(
        self, name: str, kind: SpanKind, attributes: Attributes, parent: str | None = None, links: Sequence[str] = ()
    ) -> OtelSpan:
        """Begin a span: a child of `parent`, or else of the current one."""
        context = None if parent is None else _PROPAGATOR.extract({_HEADER: parent}, contexts.Context())
        linked = [trace.Link(_context_of(each)) for each in links]
        return OtelSpan(self._tracer.start_span(name, context, trace.SpanKind[kind], attributes, linked))

    @contextmanager
    def within(self, span: TraceSpan) -> Iterator[None]:
        """Make it the current one while the block runs."""
        assert isinstance(span, OtelSpan)  # noqa: S101 (it comes from `begin`)
        with trace.use_span(span.span, record_exception=False, set_status_on_exception=False):
            yield

    def current(self) -> str | None:
        """Return the traceparent of the current span."""
        found = trace.get_current_span().get_span_context()
        return _text(found) if found.is_valid else None


def exporting(service: str, instance: str) -> tuple[OtelTracer, Callable[[], None]]:
    """Return a tracer that exports over OTLP, and what ends it, once what it has is exported.

    ConfigurationError where the SDK or the exporter is not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise ConfigurationError(f"tracing (VERBWIRE_TRACING) is on: pip install 'verbwire[otel]' ({error})") from error
    said = {"service.instance.id": instance}
    if not os.environ.get("OTEL_SERVICE_NAME"):
        said["service.name"] = service
    provider = TracerProvider(resource=Resource.create(said))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return OtelTracer(provider), provider.shutdown


def _text(context: trace.SpanContext) -> str:
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags & 1:02x}"


def _context_of(traceparent: str) -> trace.SpanContext:
    carried = _PROPAGATOR.extract({_HEADER: traceparent}, contexts.Context())
    return trace.get_current_span(carried).get_span_context()
