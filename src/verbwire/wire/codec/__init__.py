"""Reading and writing the records of a topic, with the registry's ids.

`topics` is the codec of a project, `versions` tells newer schemas, `replies` decodes outcomes, `display` renders any
record for people. Read `topics` first.
"""
