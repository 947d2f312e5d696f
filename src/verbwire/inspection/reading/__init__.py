"""Reads and decodes the records of a project's topics, for people: in no group, and committed ones alone.

`cluster_view` connects, `cluster` reads topics, `records` decodes one record, `known_topics` tells what a topic holds,
`folding` which row a record counts in. Read `records` first.
"""
