"""Planning queries: what the fields of a query mean to the table that answers it.

`plan` maps fields to key, filters, ranges and search; `selection` is the result, whatever keeps the rows. Pure, and
checked before anybody asks. Read `plan` first.
"""
