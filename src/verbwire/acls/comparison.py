"""Compares the cluster's ACLs with those that the roles need: what is missing, unneeded, or another's."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from verbwire.acls.model import Acl, AclResource, Operation, Permission, told
from verbwire.acls.roles import ProjectResources

_CHANGES = (Operation.WRITE, Operation.ALL, Operation.ALTER, Operation.DELETE, Operation.ALTER_CONFIGS)


@dataclass(frozen=True)
class Compared:
    """The difference. `bans` are DENY entries, which win over everything else."""

    missing: tuple[Acl, ...]
    there: int  # of those needed
    unneeded: tuple[Acl, ...]  # of principals that have a role here, on what is this project's
    others: tuple[Acl, ...]  # of principals that have none
    bans: tuple[Acl, ...]

    def lines(self) -> Iterator[str]:
        """The plan for people, one line for each thing."""
        yield from (f"+ {each}" for each in told(self.missing))
        yield from (f"- {each}: there and not needed" for each in told(self.unneeded))
        yield from (f"note: {each}, which wins over what the role needs" for each in told(self.bans))
        yield from (f"note: {each}, and has no role here" for each in told(self.others))
        yield f"{self.there} of {self.there + len(self.missing)} ACLs are there"


def compare(needed: Collection[Acl], found: Collection[Acl], resources: ProjectResources) -> Compared:
    """Compare what is needed with what was found on the cluster."""
    needed, found = {*needed}, {*found}
    principals = {each.principal for each in needed}
    ours = _Ours(resources, {each.permission for each in needed})
    surplus = sorted(each for each in found - needed if ours.touches(each.permission))
    allowed = [each for each in surplus if each.allows]
    return Compared(
        missing=tuple(sorted(needed - found)),
        there=len(needed & found),
        unneeded=tuple(each for each in allowed if each.principal in principals),
        others=tuple(each for each in allowed if each.principal not in principals and _tells(each)),
        bans=tuple(each for each in surplus if not each.allows and each.principal in principals),
    )


def _tells(acl: Acl) -> bool:
    """Whether it allows reading or changing, not only describing."""
    return acl.permission.operation in (*_CHANGES, Operation.READ)


class _Ours:
    """What on the cluster is the project's: what it has now, and what bears a name that only it would give."""

    def __init__(self, resources: ProjectResources, needed: Collection[Permission]) -> None:
        names = resources.names
        self._names = {(AclResource.TOPIC, topic) for topic in resources.topics}
        self._names |= {(AclResource.GROUP, group) for group in resources.groups}
        self._names |= {(each.resource, each.name) for each in needed if each.resource is AclResource.TRANSACTIONAL_ID}
        declared = {contract.namespace for contract in resources.catalog} | {plan.group for plan in resources.plans}
        self._stems = tuple(f"{names.group(each)}{end}" for each in (names.project, *declared) for end in ".-")

    def touches(self, permission: Permission) -> bool:
        """Whether a permission is about something of the project's."""
        if permission.resource is not AclResource.CLUSTER and permission.name.startswith(self._stems):
            return True
        return any(permission.covers(*each) for each in self._names)
