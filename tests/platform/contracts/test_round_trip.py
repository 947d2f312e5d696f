"""Whatever schema is accepted: messages of its generated class come back from the wire as they went."""

from __future__ import annotations

import datetime
import itertools
import tempfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.contract_projects import project, record
from verbwire.contracts.codegen.generate import generate
from verbwire.contracts.schema.load import load_catalog
from verbwire.contracts.schema.model import Contract
from verbwire.wire.avro.messages import Encoder, Reader

Draw = Callable[[st.SearchStrategy[Any]], Any]
Namespace = dict[str, Any]
Drawn = tuple[Any, Callable[[Namespace], Any]]

_MILLISECOND = datetime.timedelta(milliseconds=1)
_MOMENTS = st.integers(-(10**12), 10**12)  # milliseconds: years 1938 to 2001
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def _without_fold(value: Any) -> Any:
    """Avro knows no second 2:30 in the night when clocks go back."""
    return value.replace(fold=0)


SIZES = st.integers(0, 3)
SIMPLE: list[tuple[Any, st.SearchStrategy[Any]]] = [
    ("boolean", st.booleans()),
    ("int", st.integers(-(2**31), 2**31 - 1)),
    ("long", st.integers(-(2**63), 2**63 - 1)),
    ("float", st.floats(width=32, allow_nan=False)),
    ("double", st.floats(allow_nan=False)),
    ("bytes", st.binary(max_size=9)),
    ("string", st.text(max_size=9)),
    ("null", st.none()),
    ({"type": "string", "logicalType": "uuid"}, st.uuids()),
    ({"type": "int", "logicalType": "date"}, st.dates()),
    ({"type": "long", "logicalType": "time-micros"}, st.times().map(_without_fold)),
    ({"type": "long", "logicalType": "timestamp-millis"}, _MOMENTS.map(lambda each: _EPOCH + each * _MILLISECOND)),
    (
        {"type": "long", "logicalType": "timestamp-micros"},
        st.datetimes(timezones=st.just(datetime.UTC)).map(_without_fold),
    ),
    ({"type": "long", "logicalType": "local-timestamp-micros"}, st.datetimes().map(_without_fold)),
    (
        {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
        st.integers(-(10**9) + 1, 10**9 - 1).map(lambda each: Decimal(each).scaleb(-2)),
    ),
    (["null", "boolean", "long", "string"], st.none() | st.booleans() | st.integers(0, 9) | st.text(max_size=5)),
]


class Types:
    """Draws types; beside each a function that draws a value of it, given the generated module."""

    def __init__(self, draw: Draw) -> None:
        self.draw = draw
        self._names = itertools.count()

    def any(self, depth: int) -> Drawn:
        shapes: list[Callable[[int], Drawn]] = [self._simple, self._enum, self._fixed]
        if depth:
            shapes += [self._nullable, self._array, self._map, self._record]
        shape = self.draw(st.sampled_from(shapes))
        return cast(Drawn, shape(depth - 1))

    def record(self, name: str, depth: int) -> Drawn:
        types = [self.any(depth) for _ in range(self.draw(st.integers(1, 4)))]
        fields = {f"f{number}": avro_type for number, (avro_type, _) in enumerate(types)}

        def value(module: Namespace) -> Any:
            return module[name](**{f"f{number}": make(module) for number, (_, make) in enumerate(types)})

        return record(name, fields), value

    def _simple(self, _depth: int) -> Drawn:
        avro_type, values = self.draw(st.sampled_from(SIMPLE))
        return avro_type, lambda _: self.draw(values)

    def _enum(self, _depth: int) -> Drawn:
        name = f"E{next(self._names)}"
        avro_type = {"type": "enum", "name": name, "symbols": ["ONE", "two", "Three"]}
        return avro_type, lambda module: self.draw(st.sampled_from(list(module[name])))

    def _fixed(self, _depth: int) -> Drawn:
        avro_type = {"type": "fixed", "name": f"F{next(self._names)}", "size": 3}
        return avro_type, lambda _: self.draw(st.binary(min_size=3, max_size=3))

    def _nullable(self, depth: int) -> Drawn:
        inner, make = self.any(depth)
        if isinstance(inner, list) or inner == "null":
            return inner, make
        return ["null", inner], lambda module: make(module) if self.draw(st.booleans()) else None

    def _array(self, depth: int) -> Drawn:
        inner, make = self._of_some_width(depth)
        return {"type": "array", "items": inner}, lambda module: tuple(make(module) for _ in range(self.draw(SIZES)))

    def _map(self, depth: int) -> Drawn:
        inner, make = self._of_some_width(depth)
        return {"type": "map", "values": inner}, lambda module: {
            str(key): make(module) for key in range(self.draw(SIZES))
        }

    def _record(self, depth: int) -> Drawn:
        return self.record(f"R{next(self._names)}", depth)

    def _of_some_width(self, depth: int) -> Drawn:
        inner, make = self.any(depth)
        takes_nothing = inner == "null" or (isinstance(inner, dict) and inner["type"] == "record")
        return ("int", lambda _: self.draw(st.integers(0, 9))) if takes_nothing else (inner, make)


def drawn_message(draw: Draw) -> tuple[Contract, Any]:
    """A contract that was drawn, and a message of its generated class."""
    schema, make = Types(draw).record("AnythingHappened", 3)
    schema = {**schema, "kind": "event", "key": "id", "fields": [{"name": "id", "type": "string"}, *schema["fields"]]}
    with tempfile.TemporaryDirectory() as folder:
        root = project(Path(folder), schema)
        catalog = load_catalog(root)
        (source,) = generate(catalog, root).values()
    module: Namespace = {"__name__": "generated"}
    exec(compile(source, "generated", "exec", dont_inherit=True), module)  # noqa: S102 (our own output)
    cls = module["AnythingHappened"]
    message = make({**module, "AnythingHappened": lambda **fields: cls(id="1", **fields)})
    return catalog.of(message), message


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_messages_of_any_accepted_schema_survive_the_wire(data: st.DataObject) -> None:
    contract, message = drawn_message(data.draw)
    again = Reader(contract, type(message), contract.schema)(Encoder(contract, 7)(message))
    assert again == message
    assert repr(again) == repr(message)  # also the types: True is not 1
