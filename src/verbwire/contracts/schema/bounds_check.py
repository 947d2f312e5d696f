"""Whether a message keeps to the bounds of its contract: one function for each contract, written on first use.

As :mod:`dataclasses` does, because it runs for every message: on seven bounded fields it takes a third of a
microsecond, a list of functions more than twice as long. In the source are whole numbers and names of fields, which the
grammar of contracts has checked, and no other text of a schema. A contract without bounds has no function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from verbwire.contracts.schema.bounds import bounded_key, bounds_of, branches_of, decimal_of, goes_with, sort_of
from verbwire.contracts.schema.defaults import named_types, plain_default
from verbwire.contracts.schema.grammar import full_name
from verbwire.contracts.schema.patterns import searcher
from verbwire.contracts.schema.problems import ContractProblem, SchemaPlace

_SHOWN = 60  # letters of a value
_UNITS = {"text": "characters", "bytes": "bytes", "array": "items", "map": "entries"}
_CLASSES = {"text": "str", "bytes": "bytes", "integer": "(int, float)", "float": "(int, float)"}
_LOOPS = {"array": ("items", "enumerate({})", "[{%s}]"), "map": ("values", "{}.items()", ".{%s:.60}")}


@dataclass(frozen=True, slots=True)
class BoundViolation:
    """A value that is out of bounds: where it stands, and which bound of its contract it does not keep to.

    Its text names field and bound and shows the beginning of the value, but not of a personal one.
    """

    field: str  # its path, like ``lines[2].quantity``
    bound: str  # JSON Schema's word for it
    limit: str
    reason: str  # for people, without the value: it may be kept
    shown: str = ""

    def __str__(self) -> str:
        return f"{self.reason}: {self.shown}" if self.shown else self.reason

    @property
    def details(self) -> dict[str, str]:
        """The same for programs."""
        return {"field": self.field, "bound": self.bound, "limit": self.limit}


Check: TypeAlias = Callable[[Any], BoundViolation | None]
"""Returns the first value of a message that is out of bounds."""


def compile_bounds(schema: Mapping[str, Any], *, mapping: bool = False) -> Check | None:
    """Return what holds messages of a self-contained schema to its bounds; None where it has none.

    With `mapping` it takes their fields by name, nested ones too, and passes over those that are absent.
    """
    source = _Source(named_types(schema), mapping)
    lines = source.record(schema, "message", "", bounded_key(schema))
    if not lines:
        return None
    text = "\n".join(["def check(message):", *_indented(lines)])
    name = full_name(str(schema.get("name", "")), str(schema.get("namespace", "")))
    exec(compile(text, f"<bounds of {name}>", "exec"), source.names)  # noqa: S102 (see above)
    check: Check = source.names["check"]
    return check


class _Source:
    """Writes the statements, and collects what they refer to."""

    def __init__(self, named: Mapping[str, Any], mapping: bool) -> None:
        self.names: dict[str, Any] = {"excess": _excess}
        self._named = named
        self._mapping = mapping

    def record(self, node: Mapping[str, Any], of: str, path: str, key: tuple[str, ...] = ()) -> list[str]:
        """The statements for the fields of a record that the variable `of` holds."""
        return [line for field in node["fields"] for line in self._field(field, of, path, key)]

    def _field(self, field: Mapping[str, Any], of: str, path: str, key: tuple[str, ...]) -> list[str]:
        name, variable = field["name"], self._new("value")
        inside = f"{path}.{name}" if path else name
        lines = self._nullable(field["type"], bounds_of(field, key), variable, inside, bool(field.get("personal")))
        if not lines:
            return []
        if not self._mapping:
            return [f"{variable} = {of}.{name}", *lines]
        return [f"if {name!r} in {of}:", *_indented([f"{variable} = {of}[{name!r}]", *lines])]

    def _nullable(self, node: Any, bounds: Mapping[str, Any], variable: str, path: str, personal: bool) -> list[str]:
        branches = branches_of(node)
        if len(branches) == 1:
            lines = self._type(branches[0], bounds, variable, path, personal)
            return [f"if {variable} is not None:", *_indented(lines)] if lines and isinstance(node, list) else lines
        lines = []
        for branch in branches:
            if found := self._type(branch, bounds, variable, path, personal):
                cls = _CLASSES[sort_of(branch) or ""]
                lines += [f"if isinstance({variable}, {cls}) and not isinstance({variable}, bool):", *_indented(found)]
        return lines

    def _type(self, node: Any, bounds: Mapping[str, Any], variable: str, path: str, personal: bool) -> list[str]:
        node = self._named.get(node, node) if isinstance(node, str) else node
        if isinstance(node, dict) and node["type"] == "record":
            return self.record(node, variable, path)
        sort = sort_of(node)
        bounds = {**bounds, **bounds_of(node)} if isinstance(node, dict) else bounds
        own = {word: limit for word, limit in bounds.items() if word in goes_with(sort)}
        lines = list(self._limits(own, sort or "", variable, path, personal))
        return lines + self._each(node, sort, variable, path, personal) if sort in _LOOPS else lines

    def _each(self, node: Any, sort: str, variable: str, path: str, personal: bool) -> list[str]:
        """A loop through what an array or a map holds; the path names the place by its variable."""
        inner, loop, place = _LOOPS[sort]
        at, each = self._new("at"), self._new("each")
        lines = self._nullable(node[inner], {}, each, path + place % at, personal)
        return [f"for {at}, {each} in {loop.format(variable)}:", *_indented(lines)] if lines else []

    def _limits(self, bounds: Mapping[str, Any], sort: str, variable: str, path: str, personal: bool) -> Iterator[str]:
        sized = variable
        if sort in _UNITS and bounds.keys() - {"pattern", "propertyNames"}:
            sized = self._new("size")
            yield f"{sized} = len({variable})"
        for word, limit in bounds.items():
            if word == "propertyNames":
                at = self._new("at")
                yield f"for {at} in {variable}:"
                yield from _indented([*self._limits(limit, "text", at, path + _LOOPS["map"][2] % at, personal)])
                continue
            if word == "pattern":
                wrong = f"{self._constant(searcher(limit).search)}({variable}) is None"
            else:
                constant = self._constant(decimal_of(limit) if sort == "decimal" else limit)
                wrong = f"not {sized} {'>=' if word.startswith('min') else '<='} {constant}"  # not <: that takes NaN
            yield f"if {wrong}:"
            yield f" return excess(f{path!r}, {variable}, {word!r}, {self._constant(limit)}, {sort!r}, {personal})"

    def _constant(self, value: Any) -> str:
        """How a value is written: whole numbers as they are, which is quickest, all else by a name."""
        if type(value) is int:
            return repr(value)
        name = self._new("limit")
        self.names[name] = value
        return name

    def _new(self, what: str) -> str:
        name = f"{what}{len(self.names)}"
        self.names[name] = None  # taken
        return name


def _indented(lines: list[str]) -> list[str]:
    return [f" {line}" for line in lines]


def _excess(field: str, value: Any, bound: str, limit: Any, sort: str, personal: bool) -> BoundViolation:
    if bound == "pattern":
        reason = f"{field} does not match its pattern, {limit}"
    elif sort in _UNITS:
        reason = f"{field} has {len(value)} {_UNITS[sort]}, {bound} is {limit}"
    else:
        reason = f"{field} is {'less' if bound == 'minimum' else 'more'} than its {bound}, {limit}"
    return BoundViolation(field, bound, str(limit), reason, "" if personal or sort in ("array", "map") else _cut(value))


def _cut(value: Any) -> str:
    text = repr(value[: _SHOWN + 1]) if isinstance(value, (str, bytes)) else str(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def default_excesses(schema: Any, place: SchemaPlace) -> Iterator[ContractProblem]:
    """Defaults in a schema that are out of the bounds of their own fields; they fit the types."""
    if isinstance(schema, list):
        for branch in schema:
            yield from default_excesses(branch, place)
    elif isinstance(schema, dict):
        for inner in ("items", "values"):
            yield from default_excesses(schema.get(inner), place.inside())
        for field in schema.get("fields", ()):
            here = place.at_field(field["name"])
            if "default" in field and (excess := _default_excess(field)):
                yield here.at("default").problem(f"is out of bounds, {excess}: change one of them")
            yield from default_excesses(field["type"], here)


def _default_excess(field: Mapping[str, Any]) -> BoundViolation | None:
    check = compile_bounds({"fields": [field]}, mapping=True)
    return check({field["name"]: plain_default(field["default"], field["type"])}) if check else None
