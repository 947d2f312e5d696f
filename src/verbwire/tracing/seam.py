"""The seam between the platform and whoever keeps traces: one tracer of the process, or none.

Where there is none, callers look once at :func:`active` and do nothing more; the engine looks once when it is built.
A span is named to others by its ``traceparent`` (W3C Trace Context), the form in which it travels in headers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from enum import StrEnum
from typing import Protocol, TypeAlias

Attributes: TypeAlias = Mapping[str, str | int]


class SpanKind(StrEnum):
    """What a span is to its parent, in OpenTelemetry's words."""

    SERVER = "SERVER"
    PRODUCER = "PRODUCER"
    CONSUMER = "CONSUMER"
    INTERNAL = "INTERNAL"


class TraceSpan(Protocol):
    """A piece of work that has begun. `end` may come from any thread."""

    @property
    def traceparent(self) -> str:
        """By which others continue it."""
        ...

    def note(self, attributes: Attributes) -> None:
        """Add what has become known."""
        ...

    def rename(self, name: str) -> None:
        """Give it the name that has become known."""
        ...

    def link(self, traceparent: str) -> None:
        """Say that another span led to it, too."""
        ...

    def fail(self, what: str) -> None:
        """Say that it has failed; `what` is one of few words, like the name of a class."""
        ...

    def end(self) -> None:
        """It is over."""
        ...


class Tracer(Protocol):
    """Begins spans."""

    def begin(
        self, name: str, kind: SpanKind, attributes: Attributes, parent: str | None = None, links: Sequence[str] = ()
    ) -> TraceSpan:
        """Begin a span: a child of `parent`, or else of the current one of this thread or task."""
        ...

    def within(self, span: TraceSpan) -> AbstractContextManager[None]:
        """Make it the current one while the block runs."""
        ...

    def current(self) -> str | None:
        """Return the traceparent of the current span; None where there is none."""
        ...


_tracer: Tracer | None = None


def install(tracer: Tracer | None) -> None:
    """Have the process keep traces by this tracer from now on, or keep none."""
    global _tracer
    _tracer = tracer


def active() -> Tracer | None:
    """Return the process's tracer, None where tracing is off."""
    return _tracer


def continued(traceparent: str | None) -> str | None:
    """Return what a message that is sent now continues: the current span, or else `traceparent`."""
    return traceparent if _tracer is None else _tracer.current() or traceparent


def is_sampled(traceparent: str | None) -> bool:
    """Whether who began the trace keeps it: the lowest bit of the flags (W3C Trace Context, section 3.2.2.5)."""
    return traceparent is not None and traceparent[-1] in "13579bdf"


@contextmanager
def spanning(tracer: Tracer, span: TraceSpan) -> Iterator[TraceSpan]:
    """Make a span the current one while the block runs, then end it; what the block raises fails it."""
    try:
        with tracer.within(span):
            yield span
    except BaseException as error:
        span.fail(type(error).__name__)
        raise
    finally:
        span.end()
