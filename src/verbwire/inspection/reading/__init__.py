"""Reads and decodes the records of a project's topics, for people: in no group, committed ones alone, between two points.

`cluster` opens and reads, `records` decodes one record, `known_topics` tells what a topic holds, `folding` which row a
record counts in. Read `records` first.
"""
