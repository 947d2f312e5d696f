"""A project in memory: its declarations run as a worker runs them, in the caller's thread, without a broker.

`topics` stands for the broker and `registry` for the schema registry; `engine_groups` and `subscriber_groups` drive the
engine's own processors and attempts, `queries` the endpoints of HTTP. Read `in_memory` first.
"""
