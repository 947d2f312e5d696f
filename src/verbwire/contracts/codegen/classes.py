"""Renders the classes of one context: a module of frozen structs and enums from its schemas."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from verbwire.contracts.codegen.literals import LINE, docstring
from verbwire.contracts.codegen.type_source import TypeSource
from verbwire.contracts.schema.defaults import Named
from verbwire.contracts.schema.grammar import Json
from verbwire.contracts.schema.model import Contract, Schema
from verbwire.errors import ContractError
from verbwire.messages import Kind

_INDENT = "    "
_BASES = {Kind.COMMAND: "Command", Kind.EVENT: "Event", Kind.QUERY: "Query"}
_BASES |= {Kind.ROW: "Row", Kind.STATE: "State", Kind.REPLY: "Reply"}
_DATA = (Kind.ROW, Kind.STATE, Kind.REPLY)
_MIXED_CASE = re.compile(r"_*[a-z].*[A-Z]")  # what ruff's N815 complains about in a class
_AMBIGUOUS = ("l", "O", "I")  # and E741


@dataclass(frozen=True)
class GeneratedClass:
    """A named type that becomes a class: a message or row by its contract, a plain record, or an enum."""

    name: str  # the full name
    context: str  # the folder it is generated into
    schema: Schema
    contract: Contract | None = None

    @property
    def short(self) -> str:
        """The class's name."""
        return self.name.rpartition(".")[2]

    @property
    def needs(self) -> set[str]:
        """The full names of the types that its fields refer to."""
        return {name for field in self.schema.get("fields", ()) for name in references(field["type"])}


def references(node: Json) -> Iterator[str]:
    """The full names of the named types in a resolved type, without looking into their definitions."""
    if isinstance(node, str):
        yield from [node] if "." in node else []
    elif isinstance(node, list):
        for branch in node:
            yield from references(branch)
    elif "name" in node:
        yield f"{node['namespace']}.{node['name']}"
    else:
        for inner in ("items", "values"):
            yield from references(node.get(inner, []))


def module_source(mark: str, context: str, classes: Mapping[str, GeneratedClass], named: Named) -> str:
    """The source of a context's module. `classes` are those of all contexts, by full name."""
    own = _in_order([each for each in classes.values() if each.context == context])
    replies = _Replies(classes, [each.name for each in own])
    _refuse_hidden_types(own)
    taken = {each.short for each in own}
    taken |= {field["name"] for each in own for field in each.schema.get("fields", ())}
    spelling = TypeSource(named, {each.name: each.context for each in classes.values()}, context, frozenset(taken))
    bodies = ["\n".join(_class_lines(each, spelling, replies)) for each in own]
    namespaces = sorted({each.name.rpartition(".")[0] for each in own})
    head = [mark, *([] if spelling.settled else ["# isort: skip_file"]), *_excuses(bodies)]
    head += docstring(f"The contracts of {' and '.join(namespaces)} as classes.", "")
    imports = spelling.imports()
    head += ["", *imports] if imports else []
    return "\n\n\n".join(["\n".join(head), *bodies]) + "\n"


def _refuse_hidden_types(classes: Iterable[GeneratedClass]) -> None:
    """Inside a class, a field hides a class of its name from type checkers; one of another module gets an alias."""
    for each in classes:
        types = {name.rpartition(".")[2] for name in each.needs}
        for hidden in sorted(types & {field["name"] for field in each.schema.get("fields", ())}):
            raise ContractError(f"{each.name}: field {hidden} has the name of a type that the record uses: rename it")


def _excuses(bodies: Iterable[str]) -> list[str]:
    """Names and docs are the schemas' business: what ruff says of letters that look alike cannot be mended here."""
    return [] if "".join(bodies).isascii() else ["# ruff: noqa: RUF001, RUF002, RUF100"]


def _in_order(classes: Iterable[GeneratedClass]) -> list[GeneratedClass]:
    """Enums, plain records, rows, messages, by name; each after what it refers to, as defaults are made at import."""
    waiting = {each.name: each for each in sorted(classes, key=_rank)}
    done: dict[str, GeneratedClass] = {}

    def visit(each: GeneratedClass) -> None:
        for name in sorted(each.needs & waiting.keys() - done.keys()):
            visit(waiting[name])
        done[each.name] = each

    for each in waiting.values():
        if each.name not in done:
            visit(each)
    return list(done.values())


def _rank(each: GeneratedClass) -> tuple[int, str]:
    if each.contract:
        return (2 if each.contract.kind in _DATA else 3, each.short)
    return (0 if each.schema["type"] == "enum" else 1, each.short)


class _Replies:
    """Spells what commands and queries are replied to with: the type argument of their base class.

    What Python has not made yet where the class begins is named in quotes, which type checkers read alone: so contexts
    may reply with each other's records, and no import of one waits for the other.
    """

    def __init__(self, classes: Mapping[str, GeneratedClass], order: Sequence[str]) -> None:
        self._classes = classes
        self._place = {name: place for place, name in enumerate(order)}

    def argument(self, contract: Contract, spelling: TypeSource) -> str:
        """The argument in its brackets; empty for kinds that are not replied to."""
        if contract.kind not in (Kind.COMMAND, Kind.QUERY):
            return ""
        if contract.reply is None:
            return "[None]" if contract.kind is Kind.COMMAND else ""
        reply = spelling.reply_name(contract.reply)
        if self._place.get(contract.reply, len(self._place)) > self._place[contract.name]:
            reply = f'"{reply}"'
        return f"[{spelling.member('verbwire', 'Page')}[{reply}]]" if contract.many else f"[{reply}]"


def _class_lines(each: GeneratedClass, spelling: TypeSource, replies: _Replies) -> Iterator[str]:
    if each.schema["type"] == "enum":
        yield _fitting(f"class {each.short}({spelling.member('enum', 'StrEnum')}):")
        yield from docstring(_doc(each.schema) or f"An enum of {each.name}.", _INDENT)
        yield ""
        for symbol in each.schema["symbols"]:
            yield _fitting(f'{_INDENT}{symbol.upper()} = "{symbol}"')
        return
    contract = each.contract
    if contract:
        base = spelling.member("verbwire", _BASES[contract.kind]) + replies.argument(contract, spelling)
    else:
        base = f"{spelling.module('msgspec')}.Struct"
    yield _fitting(f"class {each.short}({base}, frozen=True, kw_only=True):")
    yield from docstring(_text_of(each), _INDENT)
    if contract:
        yield ""
        yield _fitting(f'{_INDENT}__contract__ = "{contract.name}"')
        yield f'{_INDENT}__fingerprint__ = "{contract.fingerprint}"'
    if each.schema["fields"]:
        yield ""
    for field in each.schema["fields"]:
        yield from _field_lines(field, spelling)


def _text_of(each: GeneratedClass) -> str:
    kind = each.contract.kind if each.contract else "record"
    text = _doc(each.schema) or f"The {kind} {each.name}."
    facts = []
    if each.contract and each.contract.requires:
        facts.append(f"Requires: {', '.join(sorted(each.contract.requires))}.")
    if each.contract and each.contract.rejections:
        facts.append(f"Rejections: {', '.join(sorted(each.contract.rejections))}.")
    if each.contract and each.contract.reply:
        facts.append(f"Reply: {each.contract.reply}.")
    return "\n".join([text, "", *facts]) if facts else text


def _field_lines(field: dict[str, Any], spelling: TypeSource) -> Iterator[str]:
    name = field["name"]
    default = f" = {spelling.default(field['default'], field['type'])}" if "default" in field else ""
    codes = ["E741"] if name in _AMBIGUOUS else []
    codes += ["N815"] if _MIXED_CASE.match(name) else []
    yield _fitting(f"{_INDENT}{name}: {spelling.type(field['type'])}{default}", codes)
    if text := _doc(field):
        yield from docstring(text, _INDENT)


def _doc(said: dict[str, Any]) -> str:
    """What a type or a field says of itself; blanks say nothing."""
    return str(said.get("doc", "")).strip()


def _fitting(line: str, codes: Iterable[str] = ()) -> str:
    """The line; names that are too long for one are the schema's, and stay on it."""
    long = len(line) > LINE
    pragma = ", ".join([*(["E501"] if long else []), *codes])
    return line + (f"  # noqa: {pragma}" if pragma else "") + ("  # fmt: skip" if long else "")
