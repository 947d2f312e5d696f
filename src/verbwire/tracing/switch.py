"""Switches tracing on as the settings say."""

from __future__ import annotations

from collections.abc import Callable

from verbwire.errors import ConfigurationError
from verbwire.settings import Settings
from verbwire.tracing import seam


def switch_on(settings: Settings) -> Callable[[], None]:
    """Install the tracer that the settings ask for, and return what ends it; ``off`` changes nothing.

    A process has one tracer: that which was installed first stays.

    ConfigurationError where OpenTelemetry is not installed.
    """
    if settings.tracing == "off" or seam.active() is not None:
        return _nothing
    try:
        from verbwire.tracing.opentelemetry import OtelTracer, exporting
    except ImportError as error:
        raise ConfigurationError(f"tracing (VERBWIRE_TRACING) is on: pip install 'verbwire[otel]' ({error})") from error
    if settings.tracing == "api":
        seam.install(OtelTracer())
        return _nothing
    tracer, end = exporting(settings.project, settings.worker)
    seam.install(tracer)
    return end


def _nothing() -> None:
    """There is nothing to end."""
