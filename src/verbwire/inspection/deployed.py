"""What stands on the cluster of a described message, group or topic: versions, members, partitions, settings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from functools import partial
from typing import TypeAlias

import msgspec
from confluent_kafka import TopicCollection

from verbwire.engine.code.facts import CODE_HEADER, read_code
from verbwire.engine.restore.changelog_tails import last_facts
from verbwire.inspection.describe import Description, GroupDescription, MessageDescription
from verbwire.inspection.reading.cluster_view import SECONDS, ClusterView
from verbwire.inspection.topics import TopicDescription, kept


class SchemaVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a contract in the registry; `number` is None where the registry does not count it.

    `folded_by` are the groups, with their partitions, that have written rows of it, and of none that is newer.
    """

    number: int | None
    id: int
    at_hand: bool  # whether the code here reads and writes this one
    folded_by: dict[str, list[int]] = {}


class DeployedMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message's versions, the newest first."""

    subject: str
    versions: tuple[SchemaVersion, ...]


class GroupMember(msgspec.Struct, frozen=True, kw_only=True):
    """A member of a consumer group, as the broker knows it: `worker` is its static name, or else its client id."""

    worker: str
    host: str
    partitions: dict[str, list[int]]


class DeployedGroup(msgspec.Struct, frozen=True, kw_only=True):
    """A consumer group as the broker knows it."""

    state: str
    members: tuple[GroupMember, ...]


class DeployedTopic(msgspec.Struct, frozen=True, kw_only=True):
    """A topic as it stands there. `differs`: settings that are not as planned, as (planned, found).

    `records` are places in the log, markers of transactions among them.
    """

    partitions: int
    replication: int
    in_sync: int  # of the partition that has the fewest
    records: int
    settings: dict[str, str]
    differs: dict[str, tuple[str, str]]


Deployed: TypeAlias = DeployedMessage | DeployedGroup | DeployedTopic
_TOLD = ("cleanup.policy", "retention.ms", "retention.bytes", "min.insync.replicas", "message.timestamp.type")


def deployed(view: ClusterView, described: Description) -> Deployed | None:
    """Return what stands on the cluster; None, and `view.unknown` says why, where that cannot be told."""
    match described:
        case MessageDescription():
            return view.unless_unknown(f"versions of {described.name}", lambda: deployed_message(view, described.name))
        case GroupDescription():
            return view.unless_unknown(f"members of {described.group}", lambda: deployed_group(view, described.group))
        case TopicDescription():
            return view.unless_unknown(f"topic {described.name}", lambda: deployed_topic(view, described))


def deployed_message(view: ClusterView, name: str) -> DeployedMessage:
    """Return the versions of a contract, and which groups keep rows of which."""
    registry, subject = view.registry, view.names.subject(name)
    own = registry.find(subject, view.project.catalog.contracts[name].text)
    folded = _folded(view, name)
    versions = tuple(
        SchemaVersion(number=registry.version(subject, id), id=id, at_hand=id == own, folded_by=folded.get(id, {}))
        for id, _ in registry.versions(subject)
    )
    return DeployedMessage(subject=subject, versions=versions)


def _folded(view: ClusterView, name: str) -> Mapping[int, dict[str, list[int]]]:
    """By the id of a schema the groups whose rows are of it, and in which partitions; Kafka may not be there."""
    found: dict[int, dict[str, list[int]]] = defaultdict(dict)
    for group, declared in view.project.declared.items():
        if kept(declared) != name:
            continue
        table = getattr(declared, "table", "state")
        changelog = view.names.changelog(view.names.group(group), table)
        facts = view.unless_unknown(f"which version {group} keeps", partial(_facts, view, changelog)) or {}
        for partition, headers in sorted(facts.items()):
            if code := read_code(headers.get(CODE_HEADER)):
                found[code.schema].setdefault(group, []).append(partition)
    return found


def _facts(view: ClusterView, changelog: str) -> Mapping[int, Mapping[str, bytes]]:
    return last_facts(view.kafka, changelog)


def deployed_group(view: ClusterView, group: str) -> DeployedGroup:
    """Return state and members of a consumer group."""
    (answer,) = view.admin.describe_consumer_groups([group], request_timeout=SECONDS).values()
    found = answer.result()
    members = []
    for each in found.members:
        partitions: dict[str, list[int]] = defaultdict(list)
        for place in each.assignment.topic_partitions:
            partitions[place.topic].append(place.partition)
        worker = each.group_instance_id or each.client_id
        host, owned = each.host.lstrip("/"), dict(sorted(partitions.items()))
        members.append(GroupMember(worker=worker, host=host, partitions=owned))
    return DeployedGroup(state=found.state.name.lower(), members=tuple(sorted(members, key=lambda each: each.worker)))


def deployed_topic(view: ClusterView, described: TopicDescription) -> DeployedTopic:
    """Return partitions, replicas and settings of a topic, beside what was planned."""
    (answer,) = view.admin.describe_topics(TopicCollection([described.name]), request_timeout=SECONDS).values()
    found, cluster = answer.result(), view.offsets(described.name)
    places = [(described.name, each.id) for each in found.partitions]
    starts, ends = cluster.starts(places), cluster.ends(places)
    settings = cluster.settings([described.name]).get(described.name, {})
    planned = {name: value for name, value in (described.planned or {}).items() if name != "partitions"}
    return DeployedTopic(
        partitions=len(found.partitions),
        replication=min((len(each.replicas) for each in found.partitions), default=0),
        in_sync=min((len(each.isr) for each in found.partitions), default=0),
        records=sum(ends[place] - starts[place] for place in places),
        settings={name: settings[name] for name in (*_TOLD, *planned) if name in settings},
        differs={name: (want, settings[name]) for name, want in planned.items() if settings.get(name, want) != want},
    )
