"""What a contract is once it has been read: the facts the rest of verbwire routes and checks by."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

from verbwire.contracts.schema.bounds_check import Check, compile_bounds
from verbwire.contracts.schema.defaults import Named, named_types
from verbwire.contracts.schema.tree import AvroRecord, AvroType, record_of, tree_of
from verbwire.dotted_names import DottedNames
from verbwire.errors import ContractError
from verbwire.messages import Kind, Message

Schema: TypeAlias = dict[str, Any]
"""A parsed Avro schema of a record, self-contained: every named type is spelled out where it is first used."""


@dataclass(frozen=True)
class Contract:
    """One message or row: its Avro schema and the attributes of ours that it carries."""

    name: str  # the full name: namespace and record name
    kind: Kind
    key: tuple[str, ...]  # the fields that decide the partition, in order; one, except for rows of windows
    schema: Schema
    file: Path
    time: str | None = None  # the field that is event time
    rejections: frozenset[str] = frozenset()
    requires: frozenset[str] = frozenset()  # scopes that the sender must have
    public: bool = False  # whether a command may come from nobody known
    reply: str | None = None
    many: bool = False  # whether a query is answered by a list of replies, page by page
    response: str = "outcome"  # "none": a long job, which gives no outcomes
    grant: bool = False  # whether a command has to prove on whose behalf it comes
    schedulable: bool = False  # whether a command may be sent for later
    text: str = ""  # the JSON that is registered: resolved, in a stable order
    fingerprint: str = ""  # first 16 hex digits of SHA-256 over `text`

    @property
    def namespace(self) -> str:
        """The context; for a command also the receiver."""
        return self.name.rpartition(".")[0]

    @property
    def short(self) -> str:
        """The record's name without its namespace."""
        return self.name.rpartition(".")[2]

    @cached_property
    def tree(self) -> AvroRecord:
        """Its schema as a tree of types, for code that walks through it."""
        return record_of(self.schema)

    @cached_property
    def types(self) -> Mapping[str, AvroType]:
        """The type of each field, of that tree."""
        return {field.name: field.type for field in self.tree.fields}

    @cached_property
    def fields(self) -> Mapping[str, Any]:
        """The Avro type of each field; one that has a name with its definition, however often it is used before."""
        named = named_types(self.schema)
        return {each["name"]: _defined(each["type"], named) for each in self.schema["fields"]}

    @cached_property
    def bounds(self) -> Check | None:
        """What tells the first value of a message that is out of the contract's bounds; None where it has none."""
        return compile_bounds(self.schema)


def _defined(avro_type: Any, named: Named) -> Any:
    if isinstance(avro_type, list):
        return [_defined(branch, named) for branch in avro_type]
    return named.get(avro_type, avro_type) if isinstance(avro_type, str) else avro_type


@dataclass(frozen=True)
class SharedType:
    """A record, enum or fixed that has a file of its own because several messages use it."""

    name: str  # the full name
    schema: Schema
    file: Path

    @cached_property
    def tree(self) -> AvroType:
        """Its schema as a tree of types."""
        return tree_of(self.schema)


@dataclass(frozen=True)
class Catalog:
    """All contracts of a project. Asked by full name, by short name where it is unique, or by class."""

    contracts: Mapping[str, Contract] = field(default_factory=dict)
    types: Mapping[str, SharedType] = field(default_factory=dict)  # by full name

    def __iter__(self) -> Iterator[Contract]:
        return iter(self.contracts.values())

    def __len__(self) -> int:
        return len(self.contracts)

    def find(self, name: str) -> Contract:
        """Return the contract of that full name, or unique end of one; :class:`ContractError` otherwise."""
        match self._names.matching(name):
            case [found]:
                return self.contracts[found]
            case []:
                known = ", ".join(sorted(self.contracts)) or "none"
                raise ContractError(f"no contract is called {name}: there are {known}")
            case choices:
                raise ContractError(f"{name} is ambiguous: use {' or '.join(choices)}")

    def of(self, message: Message | type[Message]) -> Contract:
        """Return the contract of a generated class; refuse one generated from another version of it."""
        cls = message if isinstance(message, type) else type(message)
        contract = self.contracts.get(cls.__contract__)
        if contract is None:
            raise ContractError(
                f"{cls.__name__} belongs to no contract of this project ({cls.__contract__ or 'it names none'})"
            )
        if cls.__fingerprint__ != contract.fingerprint:
            raise ContractError(
                f"{cls.__name__} is stale: {contract.file.name} has changed since; run `verbwire schemas generate`"
            )
        return contract

    def of_namespace(self, namespace: str, kind: Kind) -> list[Contract]:
        """The contracts of one kind in a context, by name."""
        return sorted((c for c in self if c.namespace == namespace and c.kind == kind), key=lambda c: c.name)

    @cached_property
    def schedulable(self) -> frozenset[str]:
        """The contexts that have commands which may be sent for later."""
        return frozenset(each.namespace for each in self if each.schedulable)

    @cached_property
    def version(self) -> str:
        """What all contracts are by now, in 16 hexadecimal digits: the same contracts give the same."""
        said = "\n".join(f"{each.name} {each.fingerprint}" for each in sorted(self, key=lambda each: each.name))
        return hashlib.sha256(said.encode()).hexdigest()[:16]

    @cached_property
    def _names(self) -> DottedNames:
        return DottedNames(self.contracts)
