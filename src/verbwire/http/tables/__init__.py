"""``GET /tables/...`` and ``GET /queries/...``: rows by key, lists, pages, read-your-writes.

`queries` answers queries, `reads` reads a row or a list wherever it is, `position_bound` waits until a table has
applied what a client has seen. Read `reads` first.
"""
