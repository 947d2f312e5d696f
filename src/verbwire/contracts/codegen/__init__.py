"""Python classes generated from schemas, beside them: frozen structs and enums.

`generate` decides which files are stale and writes them, `classes` renders one module. Read `generate` first.
"""
