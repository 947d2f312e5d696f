"""The worker process: it hosts groups, serves HTTP, announces itself, and stops cleanly.

`run` is the composition root, read from top to bottom; `services` is what all groups share, `engine_group` and
`subscriber_group` host one group each. Read `run` first.
"""
