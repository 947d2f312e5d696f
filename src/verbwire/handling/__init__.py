"""What the engine, subscribers and jobs share about one record: its form, its context, who may send it.

`record` is a record as any Kafka client returns it, `contexts` builds what a handler is told of it, `permission` and
`admission` decide before any handler sees a command.
"""
