"""Contracts: the Avro schemas of a project, what they promise, and the code that follows from them.

`schema` reads and validates them, `checks` compares them with the code and with their past versions, `codegen` writes
their Python classes. Read `schema.model` first.
"""
