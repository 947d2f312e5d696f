"""Traces go out over OTLP, and a setting that cannot be met says what to do."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from verbwire.errors import ConfigurationError
from verbwire.settings import Settings
from verbwire.tracing import seam
from verbwire.tracing.seam import SpanKind
from verbwire.tracing.switch import switch_on


@contextmanager
def collector() -> Iterator[tuple[str, list[ExportTraceServiceRequest]]]:
    """A receiver of OTLP over HTTP: its address, and what it has been sent."""
    received: list[ExportTraceServiceRequest] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                import gzip

                body = gzip.decompress(body)
            received.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_tracing_exports_over_otlp_before_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    with collector() as (url, received):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        end = switch_on(Settings(project="shop", worker="w1", tracing="otlp"))
        try:
            tracer = seam.active()
            assert tracer is not None
            tracer.begin("send t", SpanKind.PRODUCER, {"messaging.system": "kafka"}).end()
        finally:
            seam.install(None)
            end()
    (sent,) = received
    (resource,) = sent.resource_spans
    told = {each.key: each.value.string_value for each in resource.resource.attributes}
    assert (told["service.name"], told["service.instance.id"]) == ("shop", "w1")
    (span,) = resource.scope_spans[0].spans
    assert (resource.scope_spans[0].scope.name, span.name) == ("verbwire", "send t")


def test_tracing_that_is_off_imports_nothing_of_opentelemetry() -> None:
    code = (
        "import sys; from verbwire.settings import Settings; from verbwire.tracing.switch import switch_on; "
        "switch_on(Settings(worker='w'))(); print(any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"


def test_tracing_without_its_packages_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "verbwire.tracing.opentelemetry", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'verbwire\[otel\]'"):
        switch_on(Settings(worker="w", tracing="api"))


def test_tracing_has_three_values() -> None:
    with pytest.raises(ConfigurationError, match="VERBWIRE_TRACING"):
        Settings(worker="w", tracing="yes")
