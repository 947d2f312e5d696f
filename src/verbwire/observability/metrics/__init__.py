"""What a worker tells Prometheus: every metric is declared once, with what it means and what to do about it.

A file a subject declares its metrics and counts them: `groups` (with `effects` and `lag`), `http`, `process`, `client`.
`registry` puts them together; `python -m tests.metrics` writes `docs/metrics.md` from the declarations. Read `specs`
first, then `groups`.
"""
