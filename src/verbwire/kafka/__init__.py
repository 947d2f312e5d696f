"""Kafka through librdkafka, as every part needs it: addresses, offsets, errors, clients that are replaced.

`connectivity` finds out why a broker is not reached, `denials` which ACL is missing, `offsets` what a group has
committed; `record` is one consumed record, `readers` are consumers in no group, `group_membership` has what all groups
have in common. Read `record` first.
"""
