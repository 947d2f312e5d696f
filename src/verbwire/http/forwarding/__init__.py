"""Forwards requests to the owners of partitions, so that every worker answers every request.

`peers` finds the partition owner, `peer_client` asks it a `request` and returns its `answer`, `partial_list` merges the
lists of several workers. Read `peers` first.
"""
