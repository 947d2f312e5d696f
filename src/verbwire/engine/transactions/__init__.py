"""Kafka transactions: built by the engine's thread, committed in order by a second one.

`transaction` collects output and offsets, `committer` commits them and then updates the local stores, `producers` are
the two transactional producers, `group_metadata` is what fences a zombie (KIP-447). `failpoints` are for fault tests.
Read `committer` first.
"""
