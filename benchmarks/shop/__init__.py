"""The project whose worker is measured: one table, one receiver, as a user would write them.

Its classes are imported by their full path, ``benchmarks.shop.schemas``, because the repository's own ``schemas``
stands beside it on the path.
"""
