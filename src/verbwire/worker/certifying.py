"""The certificate of this worker's HTTP, where it has one."""

from __future__ import annotations

from verbwire.http.certificate import Certificate
from verbwire.metrics import Metrics
from verbwire.settings import Settings
from verbwire.worker.reached import advertised_host


def certificate_of(settings: Settings, metrics: Metrics) -> Certificate | None:
    """Read it, and show in the metrics until when it is good; ConfigurationError where its files cannot be read."""
    if settings.tls_files is None:
        return None
    certificate = Certificate(*settings.tls_files)
    certificate.require_host(advertised_host(settings))
    metrics.certificate(lambda: certificate.expires.timestamp(), lambda: certificate.failed)
    return certificate
