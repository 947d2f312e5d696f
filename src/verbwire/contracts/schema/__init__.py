"""Schema files: read, validated, and made into the catalog that everything else routes by.

`load` goes from a folder to a :class:`~verbwire.contracts.schema.model.Catalog`, `grammar` and `attributes` say what a
file may hold, `bounds_check` holds messages to the bounds of their fields. Read `model` first.
"""
