"""The same ACLs as lines for Kafka's own tool, for clusters that are administered by others."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from verbwire.acls.model import Acl, AclResource, Operation, Pattern, Permission, by_pattern

_FLAGS = {
    AclResource.TOPIC: "--topic",
    AclResource.GROUP: "--group",
    AclResource.TRANSACTIONAL_ID: "--transactional-id",
}
_HEAD = (
    "#!/bin/sh",
    "# The ACLs that the roles of the project need. Run it as an administrator; run twice, it changes nothing.",
    "set -eu",
    ': "${BOOTSTRAP:?host:port of a broker}" "${COMMAND_CONFIG:?a file of client properties}"',
    "allow() {",
    '    kafka-acls.sh --bootstrap-server "$BOOTSTRAP" --command-config "$COMMAND_CONFIG" --add --force "$@"',
    "}",
)


def script(acls: Iterable[Acl]) -> list[str]:
    """Return the lines of a shell script that calls ``kafka-acls.sh``, once for each principal and resource."""
    of: dict[str, list[Permission]] = {}
    for each in sorted(acls):
        of.setdefault(each.principal, []).append(each.permission)
    calls = [_call(principal, *each) for principal, its in of.items() for each in by_pattern(its).items()]
    return [*_HEAD, *calls]


def _call(principal: str, what: Pattern, operations: Iterable[Operation]) -> str:
    allowed = " ".join(f"--operation {_word(each)}" for each in operations)
    where = "--cluster" if what.resource is AclResource.CLUSTER else f"{_FLAGS[what.resource]} {shlex.quote(what.name)}"
    pattern = " --resource-pattern-type prefixed" if what.prefixed else ""
    return f"allow --allow-principal {shlex.quote(principal)} {allowed} {where}{pattern}"


def _word(operation: Operation) -> str:
    """ALTER_CONFIGS is AlterConfigs there."""
    return "".join(each.capitalize() for each in operation.value.split("_"))
