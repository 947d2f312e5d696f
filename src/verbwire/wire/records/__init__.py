"""The records that verbwire itself writes: outcomes, workers, dead letters.

Each is an internal contract (`internal_contracts`), deployed like a user's; `signatures` signs those of workers.
Read `outcomes` first.
"""
