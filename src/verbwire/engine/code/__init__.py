"""Records which version of the code has folded a partition: written in its changelog, restored with its rows.

`facts` is the record, `watch` refuses partitions that are newer than this code, `deployed` compares the code at hand
with the cluster (``verbwire check --deployed``). Read `facts` first.
"""
