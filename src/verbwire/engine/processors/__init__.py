"""Processors: what becomes of one record, by the kind of its group.

`aggregate` decides commands, `table` and `windowed_table` fold events into rows, `process` advances process managers;
`inputs` decodes records, `dedup` settles repeated ids, `outcomes` writes the outcome log, `repartition` forwards
records under another key, `changelog_writer` writes the rows. Read `table` first.
"""
