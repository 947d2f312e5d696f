"""JSON on the wire where its standard leaves readers a choice: repeated names, large numbers.

Read `numbers` first.
"""
