"""Avro: messages to bytes and back, exactly or not at all.

`messages` is the encoder and the reader, `compiled` the plans of the fast codec, `resolution` reads what another schema
wrote, `validation` refuses bytes that Avro does not know. Read `messages` first.
"""
