"""Builds a generation in a process of its own: an engine beside the workers. Imports what hosts groups, so it is apart.

Read `build` first; `shadow` runs the group.
"""
