"""Parked records for operators: which keys wait in each group, why, and having them tried again or skipped.

`desk` is the service behind ``verbwire parked`` and the console: it reads the groups' logs of parked records, and asks
by requests. Groups park by themselves (`engine.processors.parking`). Read `desk` first.
"""
