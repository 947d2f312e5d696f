"""Describes one message, group or topic: what its contract says, who sends it, who receives it, what it is made of.

All of it comes from contracts and declarations, so it needs no cluster; what stands there is told by `deployed`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import msgspec

from verbwire.contracts.schema.bounds import bounds_of
from verbwire.contracts.schema.model import Contract
from verbwire.declarations import Declared
from verbwire.declarations.aggregate import Aggregate
from verbwire.declarations.job import Job
from verbwire.declarations.process import Process
from verbwire.declarations.scheduler import Scheduler
from verbwire.declarations.subscriber import Subscriber
from verbwire.declarations.table import Table
from verbwire.deploy.group_plan import GroupPlan, group_topics
from verbwire.dotted_names import DottedNames
from verbwire.errors import ConfigurationError
from verbwire.inspection.topics import TopicDescription, kept, topics
from verbwire.inspection.topology import EdgeKind, ProjectTopology, kind_of, topology
from verbwire.messages import Kind
from verbwire.project import Project


class FieldDescription(msgspec.Struct, frozen=True, kw_only=True):
    """A field: its type as people write it, its doc, and the bounds that verbwire holds it to."""

    name: str
    type: str
    doc: str = ""
    bounds: dict[str, Any] = {}
    default: Any = None
    required: bool = True
    key: bool = False
    time: bool = False


class MessageDescription(msgspec.Struct, frozen=True, kw_only=True, tag="message"):
    """A contract and where its messages go. Groups are named as declared.

    `sent_by` are groups that declare it; clients and HTTP may send any command and publish any event besides.
    `outcomes_to` are the processes that handle its outcomes, `kept_by` the groups whose rows or states it is.
    """

    name: str
    kind: str
    doc: str
    fingerprint: str
    topic: str | None  # a query has none
    key: tuple[str, ...]
    time: str | None
    requires: tuple[str, ...]
    public: bool
    rejections: tuple[str, ...]
    reply: str | None
    many: bool
    response: str
    grant: bool
    fields: tuple[FieldDescription, ...]
    file: str
    imported: bool
    sent_by: tuple[str, ...] = ()
    received_by: str | None = None
    heard_by: tuple[str, ...] = ()
    outcomes_to: tuple[str, ...] = ()
    answered_by: tuple[str, ...] = ()
    kept_by: tuple[str, ...] = ()


class HandlerDescription(msgspec.Struct, frozen=True, kw_only=True):
    """A function of the user's: what it does (``handles``, ``on``, ``applies``, ...), with which message, and where."""

    does: str
    message: str
    function: str


class GroupDescription(msgspec.Struct, frozen=True, kw_only=True, tag="group"):
    """A declared group. `group` is the consumer group on the cluster; topics are named as they are there."""

    name: str
    kind: str
    group: str
    folder: str
    handlers: tuple[HandlerDescription, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    own_topics: tuple[str, ...]
    sends: tuple[str, ...] = ()
    publishes: tuple[str, ...] = ()
    keeps: str | None = None  # the full name of its row or state
    answers: tuple[str, ...] = ()
    index: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    window: str | None = None


Description: TypeAlias = MessageDescription | GroupDescription | TopicDescription


def describe(project: Project, name: str) -> list[Description]:
    """Return what is called `name`: a topic by its name, a group or message by its full name or a unique end of it.

    Several where it names several, a table and its context for instance. :class:`ConfigurationError` where nothing is.
    """
    found: list[Description] = []
    groups, messages = DottedNames(project.declared), DottedNames(project.catalog.contracts)
    if name in (described := {each.name: each for each in topics(project)}):
        found.append(described[name])
    found += [describe_group(project, project.declared[each]) for each in _only(groups, name)]
    found += [describe_message(project, project.catalog.contracts[each]) for each in _only(messages, name)]
    if not found:
        raise ConfigurationError(
            f"no message, group or topic is called {name}: `verbwire topology` names what there is"
            + _ambiguous([*groups.matching(name), *messages.matching(name)])
        )
    return found


def _only(names: DottedNames, name: str) -> list[str]:
    matching = names.matching(name)
    return [*matching] if len(matching) == 1 else []


def _ambiguous(matching: Iterable[str]) -> str:
    some = ", ".join(sorted(matching))
    return f"; it may mean {some}" if some else ""


# -- messages


def describe_message(project: Project, contract: Contract) -> MessageDescription:
    """Return what a contract says, and who has to do with its messages."""
    flow = topology(project)
    root = project.settings.root
    return MessageDescription(
        name=contract.name,
        kind=contract.kind,
        doc=str(contract.schema.get("doc", "")),
        fingerprint=contract.fingerprint,
        topic=_topic_of(project, contract),
        key=contract.key,
        time=contract.time,
        requires=tuple(sorted(contract.requires)),
        public=contract.public,
        rejections=tuple(sorted(contract.rejections)),
        reply=contract.reply,
        many=contract.many,
        response=contract.response,
        grant=contract.grant,
        fields=tuple(_field(contract, each) for each in contract.schema["fields"]),
        file=str(contract.file.relative_to(root)) if contract.file.is_relative_to(root) else contract.file.name,
        imported=any(node.imported for node in flow.nodes if contract.name in node.messages),
        sent_by=_ends(flow, contract.name, "source", EdgeKind.SENDS, EdgeKind.EMITS),
        received_by=next(iter(_ends(flow, contract.name, "target", EdgeKind.RECEIVES)), None),
        heard_by=_ends(flow, contract.name, "target", EdgeKind.READS),
        outcomes_to=_ends(flow, contract.name, "target", EdgeKind.OUTCOMES),
        answered_by=_ends(flow, contract.name, "source", EdgeKind.ANSWERS),
        kept_by=tuple(group for group, each in sorted(project.declared.items()) if kept(each) == contract.name),
    )


def _topic_of(project: Project, contract: Contract) -> str | None:
    names = project.settings.names
    match contract.kind:
        case Kind.COMMAND:
            return names.commands(contract.namespace)
        case Kind.EVENT:
            return names.events(contract.namespace)
        case _:
            return None


def _ends(flow: ProjectTopology, message: str, end: str, *kinds: EdgeKind) -> tuple[str, ...]:
    """The groups at one end of the edges of these kinds that carry a message."""
    ids = {getattr(each, end) for each in flow.edges if each.kind in kinds and message in each.messages}
    return tuple(sorted(flow.node(id).name for id in ids))


def _field(contract: Contract, field: Mapping[str, Any]) -> FieldDescription:
    return FieldDescription(
        name=field["name"],
        type=written_type(field["type"]),
        doc=field.get("doc", ""),
        bounds=bounds_of(field, contract.key),
        default=field.get("default"),
        required="default" not in field,
        key=field["name"] in contract.key,
        time=field["name"] == contract.time,
    )


def written_type(avro: Any) -> str:
    """Return an Avro type as people write it: ``string?``, ``decimal(12, 2)``, ``array of shop.orders.Line``."""
    if isinstance(avro, list):
        others = [written_type(each) for each in avro if each != "null"]
        return " | ".join(others) + "?" * ("null" in avro)
    if not isinstance(avro, dict):
        return str(avro)
    if (logical := avro.get("logicalType")) is not None:
        return f"decimal({avro.get('precision')}, {avro.get('scale', 0)})" if logical == "decimal" else str(logical)
    match avro["type"]:
        case "array":
            return f"array of {written_type(avro['items'])}"
        case "map":
            return f"map of {written_type(avro['values'])}"
        case "enum":
            return f"{avro['name']} ({' | '.join(avro['symbols'])})"
        case "record" | "fixed":
            return str(avro["name"])
        case inner:
            return written_type(inner)


# -- groups


def describe_group(project: Project, declared: Declared) -> GroupDescription:
    """Return what a group reads, writes, keeps and answers."""
    names, plan = project.settings.names, GroupPlan.of(declared, project.catalog)
    about = {"sends": _names_of(declared, "sends"), "publishes": _names_of(declared, "publishes")}
    if isinstance(declared, Aggregate):
        about["publishes"] = tuple(e.name for e in project.catalog.of_namespace(declared.namespace, Kind.EVENT))
    window = declared.window if isinstance(declared, Table) else None
    return GroupDescription(
        name=declared.group,
        kind=kind_of(declared),
        group=names.group(declared.group),
        folder=project.folders.get(declared.group, ""),
        handlers=tuple(_handlers(declared)),
        inputs=tuple(plan.inputs(names)),
        outputs=(*plan.outputs(names), *plan.outcome_logs(names)),
        own_topics=tuple(each.name for each in group_topics(names, plan, 1)),
        keeps=kept(declared),
        answers=_names_of(declared, "answers"),
        index=declared.index if isinstance(declared, Table) else (),
        search=declared.search if isinstance(declared, Table) else (),
        scopes=() if isinstance(declared, Aggregate | Table | Scheduler) else tuple(declared.scopes),
        window=None if window is None else f"{window.size} (late by {window.lateness}, kept {window.retention})",
        **about,
    )


def _names_of(declared: Declared, attribute: str) -> tuple[str, ...]:
    return tuple(sorted(each.__contract__ for each in getattr(declared, attribute, ())))


def _handlers(declared: Declared) -> Iterable[HandlerDescription]:
    sorts: dict[str, Mapping[Any, Any]] = {"on": declared.handlers}
    match declared:
        case Aggregate():
            sorts = {"handles": declared.handlers, "applies": declared.appliers}
        case Job():
            sorts = {"handles": declared.handlers}
        case Table():
            sorts["rekeys"] = declared.keys
        case Process():
            sorts["outcome_of"] = declared.outcomes
        case Subscriber() | Scheduler():
            pass
    for does, handlers in sorts.items():
        for message, handler in sorted(handlers.items(), key=lambda pair: pair[0].__contract__):
            yield HandlerDescription(does=does, message=message.__contract__, function=handler.where)
