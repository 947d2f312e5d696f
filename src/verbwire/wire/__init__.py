"""What crosses a process boundary: bytes, keys, headers, topics, ids, positions.

`avro` turns messages into bytes, `codec` adds the registry and the topic's contract, `records` are verbwire's own
records, `headers` what travels beside a message (CloudEvents). Read `headers` and `topics` first.
"""
