"""The schema registry, through the REST API that Confluent defined.

`client` caches ids and schemas, `read_back` verifies a registration, `unknown_ids` tells a damaged record from a
registry that lost its data. Read `client` first.
"""
