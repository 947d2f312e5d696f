"""Kafka through librdkafka, as every part needs it: addresses, offsets, errors, clients that are replaced.

`connectivity` says why a broker is not reached, `denials` which ACL is missing, `offsets` what a group has committed.
"""
