"""`verbwire check`: contracts, generated classes and handlers against each other."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from verbwire.contracts.checks.baseline import Baseline
from verbwire.contracts.checks.evolution import BOTH_WAYS, gone, new_changes
from verbwire.contracts.checks.findings import Finding, Severity
from verbwire.contracts.checks.rejection_codes import rejection_codes
from verbwire.contracts.checks.verbs import verb_form_doubt
from verbwire.contracts.codegen.generate import COMMAND, stale
from verbwire.contracts.schema.defaults import named_types
from verbwire.contracts.schema.model import Catalog, Contract
from verbwire.contracts.schema.problems import ContractProblem
from verbwire.messages import KEPT, Event, Kind, Message

ERROR, WARNING, INFO = Severity.ERROR, Severity.WARNING, Severity.INFO


@dataclass(frozen=True)
class CommandGroup:
    """A group that handles the commands of a namespace, each by one function."""

    group: str
    namespace: str
    handles: Mapping[str, Callable[..., Any]]  # by the full name of the command
    emits: frozenset[str] = frozenset()  # full names of events beyond those in the handlers' annotations
    steps: Sequence[Callable[..., Any]] = ()  # of a process: functions that may answer a command later


@dataclass(frozen=True)
class EventGroup:
    """A group that handles events: a table, a process, a subscriber."""

    group: str
    hears: frozenset[str]  # full names
    publishes: frozenset[str] = frozenset()  # likewise


def unreadable(problems: Iterable[ContractProblem]) -> list[Finding]:
    """Return the findings of contracts that cannot be loaded; `check` is for those that can."""
    return [Finding.at("contract", ERROR, each.place.file, each.message) for each in problems]


def check(catalog: Catalog, folder: Path, handlers: Sequence[CommandGroup | EventGroup]) -> list[Finding]:
    """Check contracts against their names, their generated classes and their handlers; errors come first.

    Codes of errors: ``verb-form`` (a warning where it is not sure), ``stale-classes``,
    ``no-receiver``, ``several-receivers``, ``unhandled-command``,
    ``handled-twice``, ``wrong-receiver``, ``unknown-event``, ``undeclared-rejection``,
    ``missing-reply``, ``enum-default``; of warnings:
    ``unused-rejection``, ``unused-type``, ``row-alias``; of information: ``computed-rejection``, ``unemitted-event``,
    ``unheard-event``.
    """
    return in_order([*check_contracts(catalog, folder), *check_handlers(catalog, handlers)])


def check_contracts(catalog: Catalog, folder: Path, accepted: Container[str] = ()) -> list[Finding]:
    """The part of :func:`check` that needs no code of the project; names that are `accepted` may have any verb form."""
    return [
        *_verb_forms(catalog, accepted),
        *_stale(catalog, folder),
        *_types(catalog),
        *_enums(catalog),
        *_row_aliases(catalog),
    ]


def check_handlers(
    catalog: Catalog, handlers: Sequence[CommandGroup | EventGroup], imported: Container[str] = ()
) -> list[Finding]:
    """The part of :func:`check` about handlers; commands of `imported` namespaces are others'."""
    receivers = [each for each in handlers if isinstance(each, CommandGroup)]
    listeners = [each for each in handlers if isinstance(each, EventGroup)]
    return [
        *_receivers(catalog, receivers, imported),
        *_strays(catalog, receivers),
        *_rejections(catalog, receivers),
        *_replies(catalog, receivers),
        *_events(catalog, receivers, listeners),
    ]


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings, the gravest first."""
    return sorted(findings, key=lambda each: list(Severity).index(each.severity))


def compare(catalog: Catalog, folder: Path, baseline: Baseline, retired: Container[str] = ()) -> list[Finding]:
    """Compare contracts with a baseline; findings about messages that are gone name the folder.

    Codes of errors: ``no-default``, ``type-changed``, ``type-renamed``, ``enum-symbols``, ``alias-twice``,
    ``kind-changed``, ``key-changed``, ``time-changed``, ``response-changed``, ``reply-changed``, ``many-changed``,
    ``message-gone``, ``row-moved``; of warnings: ``default-changed``, ``perhaps-renamed``,
    ``bounds-tightened``.
    """
    found = [
        (each.file, change)
        for each in catalog
        for change in new_changes(baseline.versions.get(each.name, ()), each.schema)
    ]
    newest = {name: versions[0] for name, versions in baseline.versions.items()}
    found += [(folder, change) for change in gone(newest, catalog, retired).values()]
    return [
        Finding.at(change.code, change.severity, file, f"{change.text} (compared with {baseline.name})")
        for file, change in found
    ]


def _verb_forms(catalog: Catalog, accepted: Container[str]) -> Iterator[Finding]:
    for contract in catalog:
        doubt = None if contract.short in accepted else verb_form_doubt(contract.kind, contract.short)
        if doubt is not None:
            how = f'. Right as it is? accepted_names = ["{contract.short}"] in [tool.verbwire]'
            yield Finding.at("verb-form", ERROR if doubt.sure else WARNING, contract.file, f"{doubt.text}{how}")


def _stale(catalog: Catalog, folder: Path) -> Iterator[Finding]:
    for file in stale(catalog, folder):
        yield Finding.at("stale-classes", ERROR, file, f"does not agree with the schemas: run `{COMMAND}`")


def _receivers(catalog: Catalog, receivers: Sequence[CommandGroup], imported: Container[str]) -> Iterator[Finding]:
    for namespace in sorted({each.namespace for each in catalog if each.kind is Kind.COMMAND}):
        if namespace in imported:
            continue
        commands = catalog.of_namespace(namespace, Kind.COMMAND)
        own = [each for each in receivers if each.namespace == namespace]
        groups = ", ".join(each.group for each in own)
        if not own:
            message = f"no aggregate or job receives the commands of {namespace}: declare its aggregate or job"
            yield Finding.at("no-receiver", ERROR, commands[0].file.parent, message)
            continue
        if len(own) > 1:
            message = f"{groups} all receive {namespace}: keep one, give the others namespaces of their own"
            yield Finding.at("several-receivers", ERROR, commands[0].file.parent, message)
        for command in commands:
            by = [each.group for each in own if command.name in each.handles]
            if not by:
                message = f"{groups} does not handle {command.short}: write its handler"
                yield Finding.at("unhandled-command", ERROR, command.file, message)
            elif len(by) > 1:
                message = f"{command.short} is handled by {' and '.join(by)}: remove all handlers but one"
                yield Finding.at("handled-twice", ERROR, command.file, message)


def _strays(catalog: Catalog, receivers: Sequence[CommandGroup]) -> Iterator[Finding]:
    """Handlers of what is no command of the receiver's own namespace."""
    for receiver in receivers:
        known = {each.name for each in catalog.of_namespace(receiver.namespace, Kind.COMMAND)}
        for name in sorted(receiver.handles.keys() - known):
            message = f"handles {name}, which is no command of {receiver.namespace}: move or remove the handler"
            yield Finding.at("wrong-receiver", ERROR, receiver.group, message)


def _rejections(catalog: Catalog, receivers: Sequence[CommandGroup]) -> Iterator[Finding]:
    for receiver in receivers:
        for name, function in receiver.handles.items():
            contract = catalog.contracts.get(name)
            if contract:
                yield from _rejections_of(contract, function, later=bool(receiver.steps))
        yield from _later_rejections(catalog, receiver)


def _later_rejections(catalog: Catalog, receiver: CommandGroup) -> Iterator[Finding]:
    """Codes by which a process rejects in a later step, which no command that it receives knows."""
    received = [catalog.contracts[name] for name in receiver.handles if name in catalog.contracts]
    known = {code for contract in received for code in contract.rejections}
    for function in receiver.steps:
        for code, place in rejection_codes(function).places.items():
            if code not in known:
                message = f"no command that {receiver.group} receives is rejected as {code!r}: add it to its rejections"
                yield Finding.at("undeclared-rejection", ERROR, place, message)


def _rejections_of(contract: Contract, function: Callable[..., Any], later: bool) -> Iterator[Finding]:
    codes = rejection_codes(function)
    for code, place in codes.places.items():
        if code not in contract.rejections:
            message = f"{contract.short} is rejected as {code!r}: add it to its rejections in {contract.file.name}"
            yield Finding.at("undeclared-rejection", ERROR, place, message)
    for place in codes.unknown:
        message = f"cannot tell which codes {contract.short} is rejected with here: write them as literals"
        yield Finding.at("computed-rejection", INFO, place, message)
    for code in sorted(contract.rejections - codes.places.keys()):
        if not codes.unknown and not later:
            message = f"no handler rejects {contract.short} as {code!r}: remove it from its rejections, or use it"
            yield Finding.at("unused-rejection", WARNING, contract.file, message)


def _replies(catalog: Catalog, receivers: Sequence[CommandGroup]) -> Iterator[Finding]:
    """Handlers whose annotations name all that they return, and no reply where their command is to have one."""
    for receiver in receivers:
        for name, function in receiver.handles.items():
            contract = catalog.contracts.get(name)
            returned = {each.__contract__ for each in _returned(function)}
            promised = contract.reply if contract and not receiver.steps else None  # a later step may give it
            if contract and promised and returned and not returned & {promised, ""}:
                message = f"{contract.short} is replied to with {contract.reply}: return one beside its events"
                yield Finding.at("missing-reply", ERROR, receiver.group, message)


def _events(catalog: Catalog, receivers: Sequence[CommandGroup], listeners: Sequence[EventGroup]) -> Iterator[Finding]:
    events = {each.name: each for each in catalog if each.kind is Kind.EVENT}
    heard = {name for each in listeners for name in each.hears}
    emitted = {name for each in receivers for name in (*each.emits, *_emitted(each))}
    emitted |= {name for each in listeners for name in each.publishes}
    for listener in listeners:
        for name in sorted(listener.hears - events.keys()):
            message = f"handles {name}, which is no event of this project: remove the handler or add the contract"
            yield Finding.at("unknown-event", ERROR, listener.group, message)
    for name, event in events.items():
        if name not in emitted:
            message = f"no handler in this project emits {event.short}; a producer may publish it"
            yield Finding.at("unemitted-event", INFO, event.file, message)
        if name not in heard:
            message = f"no handler in this project subscribes to {event.short}"
            yield Finding.at("unheard-event", INFO, event.file, message)


def _emitted(receiver: CommandGroup) -> Iterator[str]:
    """The events in the handlers' annotations of what they return."""
    for function in receiver.handles.values():
        yield from (each.__contract__ for each in _returned(function) if issubclass(each, Event))


def _returned(function: Callable[..., Any]) -> Iterator[type[Message]]:
    """The messages in a handler's annotation of what it returns; bare classes like Event have no contract."""
    try:
        yield from _messages_in(typing.get_type_hints(function).get("return"))
    except (NameError, TypeError):  # an annotation that only type checkers can resolve
        return


def _messages_in(annotation: Any) -> Iterator[type[Message]]:
    if (
        isinstance(annotation, type)
        and not isinstance(annotation, types.GenericAlias)
        and issubclass(annotation, Message)
    ):
        yield annotation
    for inner in typing.get_args(annotation):
        yield from _messages_in(inner)


def _types(catalog: Catalog) -> Iterator[Finding]:
    used = {each.reply for each in catalog}.union(*(named_types(each.schema) for each in catalog))
    for shared in catalog.types.values():
        if shared.name not in used:
            message = f'no message uses {shared.file.stem}: give it a "kind" if it is a message, or remove it'
            yield Finding.at("unused-type", WARNING, shared.file, message)


def _enums(catalog: Catalog) -> Iterator[Finding]:
    """Enums in what old and new code read side by side, of which old code could not read one symbol more.

    Not those of commands alone: a receiver is deployed before its senders, and must not act on what it does not know.
    """
    told: set[str] = set()
    for contract in catalog:
        named = named_types(contract.schema) if contract.kind in BOTH_WAYS else {}
        for name in sorted(name for name, each in named.items() if each["type"] == "enum" and "default" not in each):
            if name not in told:
                told.add(name)
                message = (
                    f"enum {name} can never gain a symbol: code that runs since before could not read it. Say now what "
                    'such code takes it for, "default": a symbol that claims nothing (UNKNOWN), or with which nothing '
                    "goes on"
                )
                file = catalog.types[name].file if name in catalog.types else contract.file
                yield Finding.at("enum-default", ERROR, file, message)


def _row_aliases(catalog: Catalog) -> Iterator[Finding]:
    """Fields of rows that were renamed: what is stored is read by the alias, and nothing else is."""
    for contract in catalog:
        records = [contract.schema, *named_types(contract.schema).values()] if contract.kind in KEPT else []
        fields = [field for each in records for field in each.get("fields", ())]
        for name, aliases in {field["name"]: field["aliases"] for field in fields if field.get("aliases")}.items():
            old = ", ".join(aliases)
            message = (
                f"field {name}: by its alias {old} stored rows are read, and nothing more: over HTTP, in queries and "
                f"indexes it is {name} at once. Where clients ask for {old}, add {name} beside it, let the handlers "
                f"fill both, and drop {old} when no client asks for it any more"
            )
            yield Finding.at("row-alias", WARNING, contract.file, message)
