"""Reads the project's own source code, to detect whether a handler's behaviour has changed.

`fingerprints` hashes a function with everything of the project's that it reaches; `modules` and `syntax` resolve names
and normalise syntax trees. Read `fingerprints` first.
"""
