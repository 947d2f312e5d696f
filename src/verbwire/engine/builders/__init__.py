"""From a declaration to the topology that a group engine runs.

`groups` builds aggregates and tables, `process` builds process managers, `code` the fingerprints of their handlers.
Read `groups` first.
"""
