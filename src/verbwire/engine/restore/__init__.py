"""What a new partition owner does before its first record: fence, restore, resume.

`partition_restorer` has the steps in the one order that is safe, `changelog` reads the logs into the local store,
`repartition_catch_up` tells when a re-keyed table is complete. Read `partition_restorer` first.
"""
