"""Asking other workers, so that every worker answers every request.

`peers` finds the partition owner and forwards to it, `partial_list` merges the lists of several workers.
"""
