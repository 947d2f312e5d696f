"""For operators and tools: health, metrics, jobs, and the OpenAPI document.

`endpoints` serves health and metrics, `health` decides liveness and readiness, `openapi` describes all endpoints from
the contracts. Read `endpoints` first.
"""
