"""Exchanges the states of an aggregate for those of a generation that was folded beside it, between two commands.

`exchanger` does it for the partitions of one group, on the engine's thread; `generation_rows` holds what the generation
has, `difference` what is to be changed. Read `exchanger` first: it says why nobody can decide from the wrong one.
"""
