"""Grants: signed proof, beside a command, of on whose behalf it is sent.

`grants` makes and verifies them, `policy` says which commands carry them and which receivers require them.
Read `grants` first.
"""
