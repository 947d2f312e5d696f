"""What engine, subscribers and jobs share in handling one record: its dispatch, its context, who may send it.

`dispatch` has the handler of each type of message, `contexts` builds the context that handlers may ask for,
`permission` and `admission` decide before any handler sees a command. Read `dispatch` first.
"""
