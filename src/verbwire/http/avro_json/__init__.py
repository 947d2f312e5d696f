"""Avro values as JSON: written, read back, and described as JSON Schema.

`encode` and `decode` are each other's inverse; `schema` describes exactly what they write and take.
Read `encode` first.
"""
