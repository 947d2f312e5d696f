"""The HTTP interface of a worker: tables, queries, commands, health, metrics, OpenAPI.

A request passes `serving` (sockets, TLS, limits), `access` (who it is, what they may do), then an endpoint in `tables`,
`commands` or `operations`; `forwarding` asks the worker that owns the partition. Read `app` first, then `application`.
"""
