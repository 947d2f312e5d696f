"""``GET /tables/...`` and ``GET /queries/...``: rows by key, lists, pages, read-your-writes.

`endpoints` serves tables and `queries` queries; both make a `read_context` and have `reads` read a row or a list
wherever it is; `position_bound` waits until a table has applied what a client has seen. Read `reads` first.
"""
