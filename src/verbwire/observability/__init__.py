"""Logs, metrics, outages: what operators see of a process.

`metrics` is what Prometheus scrapes, `outages` reduces an outage to a few log lines, `watch` reports handlers that fail
or hang. Read `metrics` first.
"""
