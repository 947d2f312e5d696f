"""Subscribers and jobs: groups whose handlers have side effects, run at least once.

`group` polls and never stops polling, `assigned_partitions` pauses and commits, `key_queues` keeps the order of each
key over several `handler_threads`, `attempt` is one attempt at one record, `outbox` sends what a handler asked for.
Read `group` first.
"""
