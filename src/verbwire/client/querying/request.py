"""A query as an HTTP request, and the answer's JSON as the reply's class."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import msgspec

from verbwire.contracts.schema.model import Catalog, Contract
from verbwire.contracts.schema.tree import AvroArray, AvroType
from verbwire.errors import ContractError, UndecodableError, UnencodableError, WrongVerbError
from verbwire.messages import Kind, Message, Page, Query
from verbwire.queries.columns import type_sort
from verbwire.wire.avro.messages import Encoder
from verbwire.wire.json.numbers import reader, writer
from verbwire.wire.json.repeated_names import RepeatedNameError, require_once


class QueryRoute:
    """Where the queries of one class are asked, and how their answers are read."""

    def __init__(self, catalog: Catalog, query: type[Query]) -> None:
        self.contract = _query_contract(catalog, query)
        reply, tree = _reply_class(catalog, self.contract, query)
        self._sorts = {name: type_sort(self.contract, name) for name in self.contract.fields}
        self._defaults = {each.name: each.default for each in msgspec.structs.fields(query)}
        self._encoder = Encoder(self.contract, 0)  # its bytes go nowhere: it tells what fits
        self._write = writer(self.contract.tree) or _as_it_is
        self._decode = _page(reply, tree) if self.contract.many else _exactly(reply, tree)

    def target(self, query: Message) -> str:
        """Return path and query string; :class:`UnencodableError` for a field that does not fit."""
        normal = self._encoder.normal(query)
        self._encoder(normal)
        values = self._write(msgspec.to_builtins(normal, builtin_types=(Decimal,)))
        said = {name: self._text(name, value) for name, value in values.items() if self._matters(name, value)}
        return f"/queries/{self.contract.name}" + (f"?{urlencode(said)}" if said else "")

    def read(self, body: bytes) -> Any:
        """Return the reply; :class:`UndecodableError` when it is none of this contract."""
        what = f"the answer to {self.contract.name}"
        try:
            return self._decode(body)
        except RepeatedNameError as error:
            raise UndecodableError(f"{what} has {error.name!r} twice in one object") from None
        except msgspec.DecodeError as error:
            raise UndecodableError(f"{what} is no {self.contract.reply}: {error}") from error

    def _matters(self, name: str, value: Any) -> bool:
        if value is not None:
            return True
        if self._defaults[name] is not None:
            raise UnencodableError(f"{self.contract.name}: {name} cannot be asked to be null, its default is another")
        return False

    def _text(self, name: str, value: Any) -> str:
        if self._sorts[name] is None:
            return msgspec.json.encode(value).decode()
        if isinstance(value, bool):
            return "true" if value else "false"
        return format(value, "f") if isinstance(value, Decimal) else str(value)  # 1E+5 is no decimal in JSON


class _Rows(msgspec.Struct):
    page: int | None
    page_size: int
    complete: bool
    next: str | None
    rows: msgspec.Raw
    parked: int = 0


def _page(reply: type[Any], tree: AvroType) -> Callable[[bytes], Page[Any]]:
    """The rows by themselves: a page of any class is read by one decoder of lists of it."""
    rows: Any = tuple[reply, ...]  # type: ignore[valid-type]  # made here
    rows_of = _exactly(rows, AvroArray(tree))
    page_of, parts_of = msgspec.json.Decoder(_Rows).decode, msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

    def read(body: bytes) -> Page[Any]:
        require_once(body, parts_of(body))
        found = page_of(body)
        return Page(rows_of(found.rows), found.page, found.page_size, found.complete, found.next, found.parked)

    return read


def _exactly(wanted: Any, tree: AvroType) -> Callable[[bytes | msgspec.Raw], Any]:
    """Text is never taken for a number, or for null; numbers that are written as text are looked for where any are."""
    decode, change = msgspec.json.Decoder(wanted).decode, reader(tree)

    def read(body: bytes | msgspec.Raw) -> Any:
        try:
            found = decode(body)
        except msgspec.ValidationError:
            if change is None:
                raise
            found = msgspec.convert(change(msgspec.json.decode(body)), wanted)
        require_once(bytes(body), found)
        return found

    return read


def _as_it_is(value: Any) -> Any:
    return value


def _query_contract(catalog: Catalog, query: type[Query]) -> Contract:
    if not (isinstance(query, type) and issubclass(query, Message)):
        raise WrongVerbError(f"{getattr(query, '__name__', query)} is no query: use a class generated from a contract")
    contract = catalog.of(query)
    if contract.kind is not Kind.QUERY:
        raise WrongVerbError(f"{contract.short} is of kind {contract.kind}: only queries are asked so")
    return contract


def _reply_class(catalog: Catalog, contract: Contract, query: type[Query]) -> tuple[type[Any], AvroType]:
    """The generated class of a query's reply, and the tree of its schema; it is in the package beside the query's."""
    reply = catalog.contracts.get(contract.reply or "") or catalog.types.get(contract.reply or "")
    if reply is None:
        raise ContractError(f"{contract.name} names no reply: say which record answers it")
    package = query.__module__.rpartition(".")[0]
    module = importlib.import_module(f"{package}.{reply.file.parent.name}" if package else reply.file.parent.name)
    found = getattr(module, reply.name.rpartition(".")[2], None)
    if found is None:
        raise ContractError(f"{module.__name__} has no {reply.name}: run `verbwire schemas generate`")
    if isinstance(reply, Contract):
        catalog.of(found)
    return found, reply.tree
