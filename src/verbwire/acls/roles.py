"""The roles of a project, and what each needs on the cluster.

========================  ===========================================================================================
``operator``              `verbwire deploy`, `dead-letters`, `workers`, `check --deployed`
``worker``                hosts all groups, and takes commands over HTTP
``worker:<which>``        hosts the groups of a folder, or one group; takes no commands over HTTP unless it is a
                          ``gateway`` as well
``gateway``               takes the commands of all contexts over HTTP
``producer:<context>``    a client that sends and asks the commands of a context, and asks queries
``publisher:<context>``   a client that publishes the events of a context
``reader:<group>``        a consumer group of another project that reads all event topics; ``<group>*`` stands for all
                          groups whose names begin so, ``reader:<group>@<context>,<context>`` reads those alone
========================  ===========================================================================================

Topics and groups come from the same descriptions that `deploy` and the engine go by: wire/topics.py and names.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from verbwire.acls.model import AclResource, Operation, Permission, on_groups, on_topics
from verbwire.contracts.schema.model import Catalog
from verbwire.deploy.group_plan import GroupPlan, Use, context_topics, group_topics
from verbwire.errors import ConfigurationError
from verbwire.messages import Kind
from verbwire.names import (
    DEAD_LETTER_READER,
    DIRECTORY_READER,
    FACTS_READER,
    INSPECTION_READER,
    PARKED_READER,
    REBUILD_READER,
    RESTORE_READER,
    Names,
    require_dotted,
    scheduler_of,
)

_READ, _WRITE, _DESCRIBE = Operation.READ, Operation.WRITE, Operation.DESCRIBE
_DEPLOYS = (
    *(Operation.CREATE, Operation.DELETE, Operation.ALTER),
    *(Operation.ALTER_CONFIGS, Operation.READ),
)
FORMS = "operator, worker, worker:<folder or group>, gateway, producer:<context>, publisher:<context>, reader:<group>"


@dataclass(frozen=True)
class ProjectResources:
    """What a project has on the cluster. `folders` says where each group is declared."""

    names: Names
    catalog: Catalog
    plans: Sequence[GroupPlan]
    folders: Mapping[str, str]
    standing: Mapping[str, Sequence[int]] = field(
        default_factory=dict
    )  # group -> the generations of one that is rebuilt

    def namings(self, plan: GroupPlan) -> list[Names]:
        """The names of a group, of each of its generations that have topics."""
        numbers = self.standing.get(plan.group)
        return [self.names] if numbers is None else [self.names.of_generation(plan.group, each) for each in numbers]

    def contexts(self, kind: Kind) -> list[str]:
        """The namespaces that have messages of a kind."""
        return sorted({contract.namespace for contract in self.catalog if contract.kind is kind})

    @cached_property
    def topics(self) -> list[str]:
        """All topics that `deploy` sees to."""
        shared = context_topics(self.names, self.catalog, {each.namespace for each in self.catalog}, 1)
        own = [topic for plan in self.plans for names in self.namings(plan) for topic in group_topics(names, plan, 1)]
        return sorted({topic.name for topic in [*shared, *own]})

    @cached_property
    def groups(self) -> list[str]:
        """All its consumer groups."""
        return sorted(names.group(plan.group) for plan in self.plans for names in self.namings(plan))

    @cached_property
    def rebuilt_groups(self) -> list[str]:
        """Those of them that are of a generation."""
        rebuilt = [plan for plan in self.plans if plan.group in self.standing]
        return sorted(names.group(plan.group) for plan in rebuilt for names in self.namings(plan))


def permissions_of(role: str, resources: ProjectResources) -> frozenset[Permission]:
    """Return what a role needs; :class:`ConfigurationError` for one that there is not, or of what there is not."""
    kind, _, which = role.partition(":")
    match kind, which:
        case "operator", "":
            return frozenset(_operator(resources))
        case "gateway", "":
            return frozenset(_gateway(resources))
        case "worker", "":
            return frozenset(_worker(resources, resources.plans) | _gateway(resources))
        case "worker", _:
            return frozenset(_worker(resources, _hosted(which, resources)))
        case "producer", _:
            return frozenset(_producer(resources, _context(which, role, resources, Kind.COMMAND)))
        case "publisher", _:
            context = _context(which, role, resources, Kind.EVENT)
            return frozenset(on_topics([resources.names.events(context)], _WRITE))
        case "reader", _ if which:
            return frozenset(_reader(which, role, resources))
    raise ConfigurationError(f"there is no role {role!r}: write {FORMS}")


def roles_of(resources: ProjectResources) -> list[str]:
    """Return the roles that a project has by itself; readers of its events are named in the settings."""
    emitted = {namespace for plan in resources.plans for namespace in plan.publishes}
    return [
        "operator",
        "worker",
        *(f"producer:{context}" for context in resources.contexts(Kind.COMMAND)),
        *(f"publisher:{context}" for context in resources.contexts(Kind.EVENT) if context not in emitted),
    ]


def _operator(resources: ProjectResources) -> set[Permission]:
    names, plans = resources.names, resources.plans
    return (
        on_topics(resources.topics, *_DEPLOYS)
        | on_topics({topic for plan in plans for topic in plan.inputs(names)}, _READ)  # those of others, too
        | on_topics(
            {topic for plan in plans for each in resources.namings(plan) for topic in _handed_back(each, plan)}, _WRITE
        )
        | on_topics([names.rebuilds()], *_DEPLOYS, _WRITE)
        | {Permission(AclResource.TRANSACTIONAL_ID, f"{names.rebuilds()}-", _WRITE, prefixed=True)}
        | on_groups(resources.groups, _DESCRIBE)
        | on_groups(resources.rebuilt_groups, Operation.DELETE)  # of the generation that is let go
        | on_groups([DIRECTORY_READER, FACTS_READER, DEAD_LETTER_READER, PARKED_READER, INSPECTION_READER], _DESCRIBE)
        | on_groups([REBUILD_READER], _DESCRIBE)
    )


def _handed_back(names: Names, plan: GroupPlan) -> Iterable[str]:
    """The topics that operators write by their commands: requests, records that are requeued, or marked as requeued."""
    group = names.group(plan.group)
    if plan.heeds:
        yield names.requests(group)
    if plan.requeues:
        yield names.requeued(group)
    if plan.decides:
        yield from plan.inputs(names)
    yield from map(names.commands, plan.receives)
    yield names.dead_letters(group)


def _worker(resources: ProjectResources, plans: Sequence[GroupPlan]) -> set[Permission]:
    names = resources.names
    elsewhere = [plan for plan in resources.plans if plan not in plans]
    logs = [
        each.changelog(each.group(plan.group), table)
        for plan in elsewhere
        for each in resources.namings(plan)
        for table in plan.tables
    ]
    return {
        *(found for plan in plans for each in resources.namings(plan) for found in _group(each, plan)),
        *on_topics({topic for plan in plans for topic in _folded(resources, plan)}, _READ),
        *on_topics([names.workers()], _READ, _WRITE),
        *on_topics([names.rebuilds()], _READ),
        *on_topics([names.replies()], _WRITE),
        *on_topics(logs, _DESCRIBE),  # of what others host, to ask them for it
        *on_groups([DIRECTORY_READER, RESTORE_READER, REBUILD_READER], _DESCRIBE),
    }


def _folded(resources: ProjectResources, plan: GroupPlan) -> Iterable[str]:
    """The topics that the states of an aggregate are folded from anew, where that was ever done."""
    if plan.decides and plan.group in resources.standing:
        yield from map(resources.names.events, plan.namespaces)


def _group(names: Names, plan: GroupPlan) -> set[Permission]:
    group = names.group(plan.group)
    own = list(group_topics(names, plan, 1))
    read = {*plan.inputs(names), *plan.outcome_logs(names), *(topic.name for topic in own if Use.READ in topic.use)}
    written = {
        *plan.outputs(names),
        *plan.outcome_logs(names),
        *(topic.name for topic in own if Use.WRITE in topic.use),
    }
    found = on_topics(read, _READ) | on_topics(written, _WRITE) | on_groups([group], _READ)
    if plan.transactional:
        # What its topics take is known beforehand (engine/transactions/record_limits.py).
        found |= on_topics(written, Operation.DESCRIBE_CONFIGS)
        found.add(Permission(AclResource.TRANSACTIONAL_ID, names.transactional_ids(group), _WRITE, prefixed=True))
    return found


def _gateway(resources: ProjectResources) -> set[Permission]:
    return {each for context in resources.contexts(Kind.COMMAND) for each in _producer(resources, context)}


def _producer(resources: ProjectResources, context: str) -> set[Permission]:
    """Send; hear replies, and read the outcome log where none comes; find the workers that answer queries."""
    names, schedulable = resources.names, context in resources.catalog.schedulable
    later = [names.scheduled(context)] if schedulable else []
    cancelled = [names.outcomes(scheduler_of(context))] if schedulable else []
    return (
        on_topics([names.commands(context), *later], _WRITE)
        | on_topics([names.outcomes(context), *cancelled, names.replies(), names.workers()], _READ)
        | on_groups([names.askers(), DIRECTORY_READER], _DESCRIBE)
    )


def _reader(which: str, role: str, resources: ProjectResources) -> set[Permission]:
    group, _, contexts = which.partition("@")
    chosen = contexts.split(",") if contexts else resources.contexts(Kind.EVENT)
    topics = [resources.names.events(_context(each, role, resources, Kind.EVENT)) for each in chosen]
    every = group.endswith("*")
    name = group.removesuffix("*")
    if not name or any(each.startswith(name) if every else each == name for each in resources.groups):
        raise ConfigurationError(f"role {role!r}: {group or 'no group'} is not a group of another project")
    return {*on_topics(topics, _READ), Permission(AclResource.GROUP, name, _READ, prefixed=every)}


def _hosted(which: str, resources: ProjectResources) -> list[GroupPlan]:
    require_dotted(which, "folder or group")
    found = [plan for plan in resources.plans if which in (plan.group, resources.folders.get(plan.group))]
    if not found:
        known = sorted({*resources.folders.values(), *resources.folders})
        raise ConfigurationError(
            f"role 'worker:{which}': no group or folder has that name, there are {', '.join(known)}"
        )
    return found


def _context(which: str, role: str, resources: ProjectResources, kind: Kind) -> str:
    known = resources.contexts(kind)
    if which not in known:
        raise ConfigurationError(
            f"role {role!r}: no context {which!r} has {kind}s, there are {', '.join(known) or 'none'}"
        )
    return which
