"""The plan of a query: which of its fields are the row's key, filters, ranges, a search term, or the page.

A field has its meaning by its name: like a field of the row's key, or of the table's index, it must be equal (null: it
does not matter); with ``_from`` and ``_until`` behind it, a range, from inclusive, until exclusive; ``search``,
``page``, ``page_size`` and ``sort`` say what they say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from verbwire.contracts.schema.defaults import Named, named_types
from verbwire.contracts.schema.model import Contract
from verbwire.contracts.schema.problems import near
from verbwire.errors import ContractError, UnkeyableError
from verbwire.messages import Kind, Message
from verbwire.queries.columns import Column, is_nullable, table_columns, type_sort
from verbwire.queries.selection import KEY, Condition, Operator, Selection, Value
from verbwire.queries.terms import match_expression
from verbwire.wire.keys import key_bytes

SEARCH = "search"
PAGING = {"page": "integer", "page_size": "integer", "sort": "string"}
"""What says which part of a list is wanted, and of which sort each is."""

_RANGES = {"_from": Operator.FROM, "_until": Operator.UNTIL}
_LONG = range(-(2**63), 2**63)
_NATIVE: Mapping[str, type | tuple[type, ...]] = {
    "string": str,
    "enum": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "bytes": bytes,
    "fixed": bytes,
}


@dataclass(frozen=True, slots=True)
class QueryableRow:
    """What a plan has to know of a table: its row's contract, its columns, and whether there is full text."""

    table: str
    row: Contract
    columns: Mapping[str, Column]
    searchable: bool = False

    @classmethod
    def of(cls, table: str, row: Contract, index: Sequence[str] = (), search: Sequence[str] = ()) -> QueryableRow:
        """Return the queryable row of a declaration; ContractError for an index or search that does not fit."""
        for name in search:
            if type_sort(row, name) != "string":
                raise ContractError(f"table {table}: {name!r} cannot be searched, it is no text")
        return cls(table, row, table_columns(row, index), bool(search))


@dataclass(frozen=True, slots=True)
class Filter:
    """A field of a query that narrows the rows."""

    field: str
    column: str  # KEY: the row's key itself
    operator: Operator


@dataclass(frozen=True)
class QueryPlan:
    """How a table answers a query. With `many` by a list, else by the row whose key the query holds."""

    query: Contract
    rows: QueryableRow
    many: bool
    filters: tuple[Filter, ...] = ()
    searches: bool = False

    def key(self, values: Mapping[str, Any]) -> bytes:
        """Return the key of the one row that is asked for; UnkeyableError where it can be none."""
        return row_key(self.rows, values)

    def selection(self, values: Mapping[str, Any]) -> Selection:
        """Return which rows a query wants; MessageError for an empty key, or a search without words."""
        given = [each for each in self.filters if values.get(each.field) is not None]
        term = values.get(SEARCH) if self.searches else None
        return Selection(
            tuple(self._condition(each, values[each.field]) for each in given),
            None if term is None else match_expression(term),
        )

    def _condition(self, wanted: Filter, value: Any) -> Condition:
        if wanted.column == KEY:
            return Condition(KEY, wanted.operator, key_bytes(value))
        return Condition(wanted.column, wanted.operator, self.rows.columns[wanted.column].value(value))


def plan_query(query: Contract, rows: QueryableRow) -> QueryPlan:
    """Return the plan by which a table answers a query; ContractError where the query does not fit."""
    if query.reply != rows.row.name:
        said = f"not {query.reply}" if query.reply else "and it names no reply"
        raise ContractError(f"{query.name}: table {rows.table} answers with {rows.row.name}, {said}: change its reply")
    plan = QueryPlan(query, rows, query.many)
    filters = []
    for field in query.fields:
        meaning = _meaning(plan, field)
        if isinstance(meaning, Filter):
            filters.append(meaning)
        elif meaning == SEARCH:
            plan = replace(plan, searches=True)
    plan = replace(plan, filters=tuple(filters))
    return _many_rows(plan) if query.many else _one_row(plan)


def every_filter(rows: QueryableRow) -> QueryPlan:
    """Return the plan of the query behind ``GET /tables``: all filters that a table has, each of them optional."""
    named = named_types(rows.row.schema)
    fields = []
    for name in dict.fromkeys((*rows.row.key, *rows.columns)):
        ranged = _RANGES if name in rows.columns else ()
        fields += [_optional(each, rows.row.fields[name], named) for each in (name, *(name + end for end in ranged))]
    fields += [_optional(SEARCH, "string", named)] if rows.searchable else []
    fields += [_optional("sort", "string", named)] if rows.columns else []
    schema = {**rows.row.schema, "kind": Kind.QUERY, "fields": fields}
    query = replace(rows.row, kind=Kind.QUERY, key=(), reply=rows.row.name, many=True, schema=schema)
    return plan_query(query, rows)


def seen_by(rows: QueryableRow, visible: Mapping[str, Any] | None) -> tuple[Condition, ...]:
    """Return the conditions of a row filter; ContractError for a field that is no column, or no such value.

    None means no row at all. Filters that cannot be applied are rejected: ignoring one would expose rows.
    """
    if visible is None:
        return (Condition(KEY, Operator.IS, b""),)  # no key is empty
    return tuple(_forced(rows, name, value) for name, value in visible.items())


def may_see(rows: QueryableRow, row: Message, visible: Mapping[str, Any] | None) -> bool:
    """Whether a row passes a row filter, as :func:`seen_by` has it; ContractError likewise."""
    return visible is not None and all(_same(rows, name, getattr(row, name), value) for name, value in visible.items())


def _same(rows: QueryableRow, name: str, found: Any, wanted: Any) -> bool:
    if name not in rows.columns:
        return bool(found == wanted)
    column = rows.columns[name]
    return column.value(found) == _checked(rows, column.sort, name, wanted)


def _optional(name: str, avro_type: Any, named: Named) -> dict[str, Any]:
    branches = avro_type if isinstance(avro_type, list) else [avro_type]
    spelled_out = [named.get(each, each) if isinstance(each, str) else each for each in branches if each != "null"]
    return {"name": name, "type": ["null", *spelled_out], "default": None}


def _forced(rows: QueryableRow, name: str, value: Any) -> Condition:
    if name in rows.columns:
        return Condition(name, Operator.IS, _checked(rows, rows.columns[name].sort, name, value))
    if rows.row.key == (name,):
        return Condition(KEY, Operator.IS, key_bytes(value))
    raise ContractError(f"table {rows.table}: `visible` names {name!r}, which has no index: there are {_columns(rows)}")


def _checked(rows: QueryableRow, sort: str, name: str, value: Any) -> Value:
    native = _NATIVE.get(sort.split()[0])
    if value is not None and native is not None and not isinstance(value, native):
        given = type(value).__name__
        raise ContractError(f"table {rows.table}: `visible` gives {name!r} a {given}, it is of type {sort}")
    try:
        found = rows.columns[name].exact(value)
    except ValueError as error:
        raise ContractError(f"table {rows.table}: `visible` gives {name!r} what it cannot be: {error}") from None
    if isinstance(found, int) and found not in _LONG:
        raise ContractError(f"table {rows.table}: `visible` gives {name!r} a number of more than 64 bits")
    return found


def _meaning(plan: QueryPlan, field: str) -> Filter | str:
    """The meaning of a query's field: a filter, or one of the reserved names."""
    query, rows = plan.query, plan.rows
    sort = type_sort(query, field)
    if field in rows.columns or field in rows.row.key:
        return _filter(plan, field, field, Operator.IS)
    for suffix, operator in _RANGES.items():
        column = field.removesuffix(suffix)
        if column != field and (column in rows.columns or column in rows.row.key):
            return _filter(plan, field, column, operator)
    if field == SEARCH and not rows.searchable:
        raise ContractError(f"{query.name}: table {rows.table} has no full text to search: declare its `search`")
    if field != SEARCH and field not in PAGING:
        raise ContractError(f"{query.name}: field {field!r} means nothing to table {rows.table}: {_known(rows, field)}")
    wanted = "string" if field == SEARCH else PAGING[field]
    if sort != wanted:
        raise ContractError(f"{query.name}: field {field!r} is {sort or 'of no simple type'}: make it {wanted}")
    return field


def _filter(plan: QueryPlan, field: str, name: str, operator: Operator) -> Filter:
    query, rows = plan.query, plan.rows
    mine, its = type_sort(query, field), type_sort(rows.row, name)
    if mine != its:
        raise ContractError(
            f"{query.name}: field {field!r} is {mine or 'of no simple type'}, in {rows.row.short} it is {its}: "
            "give both the same type"
        )
    if name in rows.columns:
        return Filter(field, name, operator)
    if operator is not Operator.IS and its == "integer":  # keys are text: 10 would stand before 9
        raise ContractError(f"{query.name}: {field!r} is a range of a number's key: name {name!r} in the table's index")
    return Filter(field, KEY, operator)


def _one_row(plan: QueryPlan) -> QueryPlan:
    query, key = plan.query, plan.rows.row.key
    if lacking := [name for name in key if name not in query.fields]:
        raise ContractError(
            f"{query.name}: one row is found by its whole key: add {', '.join(lacking)}, or say "
            '"many": true for a list of rows'
        )
    if nullable := [name for name in key if is_nullable(query, name)]:
        raise ContractError(f"{query.name}: {', '.join(nullable)} may be null, which is no key: make it required")
    if more := [name for name in query.fields if name not in key]:
        raise ContractError(
            f"{query.name}: {', '.join(more)} cannot narrow one row, which is found by {', '.join(key)}: remove it, "
            'or say "many": true'
        )
    return plan


def _many_rows(plan: QueryPlan) -> QueryPlan:
    key = plan.rows.row.key
    if all(name in plan.query.fields and not is_nullable(plan.query, name) for name in key):
        raise ContractError(f'{plan.query.name}: the whole key has to be given, so one row answers: remove "many"')
    return plan


def row_key(rows: QueryableRow, values: Mapping[str, Any]) -> bytes:
    """Return the key that rows with these values stand under: it is made of what their fields keep.

    UnkeyableError where no row can have it.
    """
    key = rows.row.key
    if len(key) == 1:
        return key_bytes(values[key[0]])
    try:
        return key_bytes(tuple([rows.columns[name].normal(values[name]) for name in key]))
    except ValueError as error:
        raise UnkeyableError(f"no row has this key: {error}") from None


def _known(rows: QueryableRow, field: str) -> str:
    names = list(_names(rows))
    return f"{near(field, names)}There are {', '.join(names)}"


def _columns(rows: QueryableRow) -> str:
    return ", ".join(dict.fromkeys((*rows.row.key, *rows.columns)))


def _names(rows: QueryableRow) -> Iterator[str]:
    for name in dict.fromkeys((*rows.row.key, *rows.columns)):
        yield from (name, f"{name}_from", f"{name}_until")
    yield from [SEARCH] if rows.searchable else []
    yield from PAGING
