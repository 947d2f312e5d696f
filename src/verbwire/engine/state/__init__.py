"""The local state of a partition: a SQLite file, the cache in front of it, and its readers.

`store` is the file, `partition_cache` holds decoded rows within the process's budget (`cache_budget`), `reader` gives
HTTP consistent reads while a transaction is under way, `partition_state` has the states of a partition and which may
follow which. Read `store` first.
"""
