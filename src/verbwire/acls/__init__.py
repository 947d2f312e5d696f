"""Kafka ACLs of a project: what each role needs, derived from its contracts and declarations.

`roles` says which permissions a worker, a producer, an operator or a foreign reader needs; `comparison` holds them
against what the cluster has, `cluster` writes them. Read `roles` first.
"""
