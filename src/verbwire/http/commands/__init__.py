"""``POST /commands/{name}`` and ``GET /outcomes/{token}``.

`endpoint` is the path of a request: body, idempotency key, send, wait, outcome. `outcomes` answers for those that were
not waited for. Read `endpoint` first.
"""
