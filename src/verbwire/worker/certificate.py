"""The certificate of this worker's HTTP, where it has one."""

from __future__ import annotations

from urllib.parse import urlsplit

from verbwire.http.serving.certificate import Certificate
from verbwire.observability.metrics.registry import Metrics
from verbwire.settings import Settings
from verbwire.worker.public_address import url_of


def certificate_of(settings: Settings, metrics: Metrics) -> Certificate | None:
    """Read it, and show in the metrics until when it is good; ConfigurationError where it is of no use."""
    if settings.tls_files is None:
        return None
    certificate = Certificate(*settings.tls_files)
    certificate.tell_of_host(urlsplit(url_of(settings, settings.http_port)).hostname or "")
    metrics.http.certificate(lambda: certificate.expires.timestamp(), lambda: certificate.failed)
    return certificate
