"""What a new partition owner does before its first record: fence, restore, resume.

`partition_restorer` has the steps in the one order that is safe, `changelog` reads the logs into the local store,
`lifecycle` moves partitions through their states, `open_transactions` aborts those of dead workers,
`repartition_catch_up` finds out when a re-keyed table is complete. Read `partition_restorer` first.
"""
