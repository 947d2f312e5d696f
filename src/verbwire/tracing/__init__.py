"""Traces: what a message led to, across processes, for OpenTelemetry. Off unless the setting `tracing` is on.

`seam` is all that the rest of the platform knows of; `opentelemetry` alone imports OpenTelemetry (extra ``otel``);
`kafka_spans` names spans over Kafka as its semantic conventions do. Read `seam` first.
"""
