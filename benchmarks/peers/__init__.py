"""The peers on the same topic: each does what the table does, decode an event and keep it under its key.

They stand on the standard library, fastavro and the peer alone: FastStream and Quix Streams run in an environment of
their own, which has no verbwire. ``python -m benchmarks.peers.NAME PLACE`` tells one figure.
"""
