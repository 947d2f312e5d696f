"""For operators and tools: health, jobs, and the OpenAPI document.

`health` answers liveness and readiness, `openapi` describes all endpoints from the contracts.
"""
