"""Builds a table, or the states of an aggregate, anew beside the running one: a generation with topics of its own.

`building` runs it, `diff` compares it with what serves, `switch` has all workers answer from it at one moment, or again
from the one before. What is decided stands in a topic (`generations/`); nothing here has to survive. Read `plan` first.
"""
