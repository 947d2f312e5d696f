"""How one generated module spells types and defaults, and what it has to import for them."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from verbwire.contracts.codegen.literals import LINE, constructor_arguments, value_literal
from verbwire.contracts.schema.defaults import Named, logical_value, number
from verbwire.contracts.schema.grammar import Json

_PLAIN = {"boolean": "bool", "int": "int", "long": "int", "float": "float", "double": "float"}
_PLAIN |= {"string": "str", "bytes": "bytes", "fixed": "bytes"}


class TypeSource:
    """Spells types and defaults for one module, and collects its imports.

    `taken` are the names of its fields and classes: inside a class a field hides a type of the same name, from type
    checkers too, so such a type is imported under another name. `contexts` says where a class lives that is not here.
    """

    def __init__(self, named: Named, contexts: Mapping[str, str], context: str, taken: frozenset[str]) -> None:
        self._named = named
        self._contexts = contexts
        self._context = context
        self._taken = taken
        self._modules: dict[str, str] = {}  # alias of an imported module
        self._members: dict[str, dict[str, str]] = {}  # module: name: alias
        self._run: set[tuple[str, str]] = set()  # of these, what Python needs; type checkers alone import the others

    def type(self, node: Json) -> str:
        """The annotation of an Avro type."""
        if isinstance(node, list):
            parts = [self.type(branch) for branch in node if branch != "null"]
            return " | ".join([*parts, "None"] if "null" in node else parts)
        if isinstance(node, str):
            return self.type(self._named[node]) if node in self._named else self._plain(node)
        match node["type"]:
            case "array":
                return f"{self.builtin('tuple')}[{self.type(node['items'])}, ...]"
            case "map":
                mapping = self.member("collections.abc", "Mapping")  # those that were read refuse to be changed
                return f"{mapping}[{self.builtin('str')}, {self.type(node['values'])}]"
            case "record" | "enum":
                return self.class_name(f"{node['namespace']}.{node['name']}")
            case _:
                return self._logical(node.get("logicalType")) or self._plain(node["type"])

    def default(self, value: Json, node: Json) -> str:
        """The expression behind the = of a field."""
        if isinstance(node, list):
            return self.default(value, node[0])
        if isinstance(node, dict) and node["type"] == "map":
            factory = f"lambda: {self.value(value, node)}" if value else self.builtin("dict")
            return f"{self.module('msgspec')}.field(default_factory={factory})"
        return self.value(value, node)

    def value(self, value: Json, node: Json) -> str:
        """A default value as an expression; `value` fits the type."""
        if isinstance(node, list):
            return self.value(value, node[0])
        if isinstance(node, str):
            return self.value(value, self._named.get(node, {"type": node}))
        match node["type"]:
            case "array":
                items = [self.value(each, node["items"]) for each in value]
                return f"({', '.join(items)}{',' if len(items) == 1 else ''})"
            case "map":
                items = [f"{value_literal(key)}: {self.value(each, node['values'])}" for key, each in value.items()]
                return f"{{{', '.join(items)}}}"
            case "enum":
                return f"{self.type(node)}.{value.upper()}"
            case "record":
                given = [field for field in node["fields"] if field["name"] in value]
                items = [f"{field['name']}={self.value(value[field['name']], field['type'])}" for field in given]
                return f"{self.type(node)}({', '.join(items)})"
            case "float" | "double":
                return value_literal(number(value, node["type"]))
            case _:
                return self._constructed(logical_value(value, node))

    def class_name(self, name: str) -> str:
        """A generated class by its full name, imported if it lives in another context."""
        context = self._contexts[name]
        short = name.rpartition(".")[2]
        return short if context == self._context else self.member(f"..{context}", short)

    def reply_name(self, name: str) -> str:
        """The class of a reply by its full name; from another context, type checkers alone import it."""
        context, short = self._contexts[name], name.rpartition(".")[2]
        if context == self._context:
            return short
        self.member("typing", "TYPE_CHECKING")
        return self._alias(f"..{context}", short)

    def module(self, name: str) -> str:
        """An imported module."""
        if name not in self._modules:
            self._modules[name] = self._free(name)
        return self._modules[name]

    def member(self, module: str, name: str) -> str:
        """A name imported from a module."""
        self._run.add((module, name))
        return self._alias(module, name)

    def builtin(self, name: str) -> str:
        """A built-in type, also where a field of that name hides it."""
        return f"{self.module('builtins')}.{name}" if name in self._taken else name

    def imports(self) -> list[str]:
        """The import statements, sorted and grouped as isort does."""
        groups: list[list[str]] = [[], [], [], []]
        checked: list[str] = []
        for name, alias in sorted(self._modules.items()):
            groups[_group(name)].append(f"import {name}" if alias == name else f"import {name} as {alias}")
        for module, names in sorted(self._members.items()):
            run = [name for name in names if (module, name) in self._run]
            groups[_group(module)] += _from_imports(module, names, run)
            checked += _from_imports(module, names, names.keys() - run, LINE - 4)
        if checked:
            groups.append(["if TYPE_CHECKING:", *(f"    {_kept(line)}" for line in checked)])
        return "\n\n".join("\n".join(group) for group in groups if group).splitlines()

    @property
    def settled(self) -> bool:
        """Whether every project's isort agrees with the order: one takes verbwire for its own, another does not."""
        aliases = any(name != alias for names in self._members.values() for name, alias in names.items())
        return not aliases and "msgspec" not in self._modules

    def _plain(self, name: str) -> str:
        return "None" if name == "null" else self.builtin(_PLAIN[name])

    def _logical(self, logical: str | None) -> str | None:
        match logical:
            case "uuid":
                return self.member("uuid", "UUID")
            case "decimal":
                return self.member("decimal", "Decimal")
            case "date":
                return f"{self.module('datetime')}.date"
            case "time-millis" | "time-micros":
                return f"{self.module('datetime')}.time"
            case None | "duration":
                return None
            case _:
                return f"{self.module('datetime')}.datetime"

    def _constructed(self, value: object) -> str:
        if isinstance(value, UUID):
            return self.member("uuid", "UUID") + constructor_arguments(value, "")
        if isinstance(value, Decimal):
            return self.member("decimal", "Decimal") + constructor_arguments(value, "")
        if isinstance(value, datetime.date | datetime.time):
            module = self.module("datetime")
            return f"{module}.{type(value).__name__}{constructor_arguments(value, f'{module}.UTC')}"
        return value_literal(value)

    def _alias(self, module: str, name: str) -> str:
        names = self._members.setdefault(module, {})
        if name not in names:
            names[name] = self._free(name)
        return names[name]

    def _free(self, name: str) -> str:
        used = {*self._modules.values(), *(alias for names in self._members.values() for alias in names.values())}
        while name in self._taken or name in used:
            name = f"_{name}"
        return name


def _group(module: str) -> int:
    """Standard library, third party, the platform, the contexts beside this one."""
    return 3 if module.startswith(".") else {"msgspec": 1, "verbwire": 2}.get(module, 0)


def _kept(line: str) -> str:
    """A line of an import that ruff takes for unused: it does not look for names in quotes among type arguments."""
    return f"{line}  # noqa: F401" if line.startswith("from") else line


def _from_imports(module: str, aliases: Mapping[str, str], names: Iterable[str], room: int = LINE) -> list[str]:
    """The statements that import these names of a module, those under another name behind the others."""
    plain = sorted((name for name in names if aliases[name] == name), key=_member_order)
    renamed = [f"from {module} import {name} as {aliases[name]}" for name in sorted(names) if aliases[name] != name]
    return [*(_from_import(module, plain, room) if plain else []), *renamed]


def _from_import(module: str, names: list[str], room: int) -> list[str]:
    line = f"from {module} import {', '.join(names)}"
    return [line] if len(line) <= room else [f"from {module} import (", *(f"    {name}," for name in names), ")"]


def _member_order(name: str) -> tuple[Any, ...]:
    parts = [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name.lower())]
    return (not name.isupper() or len(name) == 1, parts)
