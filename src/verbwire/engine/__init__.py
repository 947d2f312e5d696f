"""The exactly-once engine of aggregates, tables and processes.

`group` runs the loop of one group: a batch in, pure handlers, one transaction out. `topology` describes the group,
`processors` turn records into output, `transactions` commit it, `state` keeps the local copy, `restore` brings a
partition up to its changelog, `faust` is the consumer group underneath. Read `group` first.
"""
