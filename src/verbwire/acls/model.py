"""Kafka's ACLs as values, in Kafka's own words.

Source: KIP-11 (authorization), KIP-290 (prefixed patterns). What an operation implies is not spelled out: READ, WRITE,
DELETE and ALTER imply DESCRIBE, ALTER_CONFIGS implies DESCRIBE_CONFIGS. WRITE on a topic lets a producer be idempotent
(KIP-679, brokers from 2.8 on).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from verbwire.errors import ConfigurationError

_PRINCIPAL = re.compile(r"[A-Za-z][A-Za-z0-9]*:\S(.*\S)?")
EVERYTHING = "*"


class AclResource(StrEnum):
    """What an ACL is about, by the names of Kafka's ResourceType."""

    TOPIC = "TOPIC"
    GROUP = "GROUP"
    TRANSACTIONAL_ID = "TRANSACTIONAL_ID"
    CLUSTER = "CLUSTER"


class Operation(StrEnum):
    """What a permission allows, by the names of Kafka's AclOperation."""

    READ = "READ"
    WRITE = "WRITE"
    CREATE = "CREATE"
    DELETE = "DELETE"
    ALTER = "ALTER"
    DESCRIBE = "DESCRIBE"
    ALTER_CONFIGS = "ALTER_CONFIGS"
    DESCRIBE_CONFIGS = "DESCRIBE_CONFIGS"
    ALL = "ALL"
    IDEMPOTENT_WRITE = "IDEMPOTENT_WRITE"
    CLUSTER_ACTION = "CLUSTER_ACTION"


@dataclass(frozen=True, order=True, slots=True)
class Permission:
    """One operation on one resource, or on all whose names begin so."""

    resource: AclResource
    name: str
    operation: Operation
    prefixed: bool = False

    def covers(self, resource: AclResource, name: str) -> bool:
        """Whether it is about this resource."""
        if resource is not self.resource:
            return False
        return name.startswith(self.name) if self.prefixed else self.name in (name, EVERYTHING)


@dataclass(frozen=True, order=True, slots=True)
class Acl:
    """A principal's permission, from any host unless one is named; or, where `allows` is false, a denial."""

    principal: str
    permission: Permission
    host: str = EVERYTHING
    allows: bool = True


@dataclass(frozen=True, order=True, slots=True)
class Pattern:
    """What several operations may be permitted on: Kafka's tools name them together."""

    resource: AclResource
    name: str
    prefixed: bool

    def __str__(self) -> str:
        return f"{self.resource} {self.name}{'*' if self.prefixed else ''}"


def by_pattern(permissions: Iterable[Permission]) -> dict[Pattern, list[Operation]]:
    """Return the operations on each resource, in order."""
    found: dict[Pattern, list[Operation]] = {}
    for each in sorted(permissions):
        found.setdefault(Pattern(each.resource, each.name, each.prefixed), []).append(each.operation)
    return found


def told(acls: Iterable[Acl]) -> Iterator[str]:
    """Yield ACLs for people: a line for whom, what, and all that they may do with it."""
    whose: dict[tuple[str, str, bool], list[Permission]] = {}
    for each in sorted(acls):
        whose.setdefault((each.principal, each.host, each.allows), []).append(each.permission)
    for (principal, host, allows), permissions in whose.items():
        who = principal if host == EVERYTHING else f"{principal} at {host}"
        for pattern, operations in by_pattern(permissions).items():
            yield f"{who} {'may' if allows else 'must not'} {', '.join(operations)} {pattern}"


def on_topics(names: Iterable[str], *operations: Operation) -> set[Permission]:
    """Return these operations on each of these topics."""
    return {Permission(AclResource.TOPIC, name, operation) for name in names for operation in operations}


def on_groups(names: Iterable[str], operation: Operation) -> set[Permission]:
    """Return this operation on each of these consumer groups."""
    return {Permission(AclResource.GROUP, name, operation) for name in names}


def require_principal(text: str) -> str:
    """Return a principal; :class:`ConfigurationError` where it is none, like ``User:shop-worker``."""
    if not _PRINCIPAL.fullmatch(text):
        raise ConfigurationError(f"principal {text!r}: write type and name as the brokers know it, like User:ann")
    return text
