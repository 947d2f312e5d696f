"""Every type, alone and in records, arrays, maps and unions: written, defaulted, evolved; read as Python alone says."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.contract_projects import record
from tests.kit.contracts_made import made
from tests.kit.value_matrix import REFUSED, Refused, Types
from verbwire.contracts.schema.model import Contract
from verbwire.errors import UndecodableError, UnencodableError
from verbwire.wire.avro.fingerprints import Fingerprints
from verbwire.wire.avro.generic_classes import record_class
from verbwire.wire.avro.messages import Encoder, Reader

# More of them: VALUE_MATRIX=2000 make test ARGS="-n 0 tests/platform/contracts/test_value_matrix.py"
EXAMPLES = int(os.environ.get("VALUE_MATRIX", "60"))
many = settings(max_examples=EXAMPLES, deadline=None)
KINDS = st.sampled_from(["event", "command", "row"])


class Version:
    """One version of the contract of a message, its class and its wire."""

    def __init__(self, kind: str, fields: list[dict[str, Any]]) -> None:
        schema = record("Thing", [{"name": "id", "type": "string"}, *fields], kind=kind, key="id")
        with tempfile.TemporaryDirectory() as folder:
            catalog, self.module = made(Path(folder), schema)
        self.contract: Contract = catalog.find("Thing")
        self.cls: Any = self.module["Thing"]
        self.encode = Encoder(self.contract, 7)

    def read(self, value: bytes, writer: Contract | None = None, cls: Any = None) -> Any:
        return Reader(self.contract, cls or self.cls, (writer or self.contract).schema)(value)


class Example:
    """A message of drawn fields, as it is given; `reads` are its fields as they are to be read, or refused."""

    def __init__(self, data: st.DataObject, depth: int) -> None:
        self.draw = data.draw
        self.types = Types(self.draw)
        self.parts = {f"f{number}": self.types.any(depth) for number in range(self.draw(st.integers(1, 3)))}
        self.fields = [{"name": name, "type": each.avro} for name, each in self.parts.items()]
        self.kind = self.draw(KINDS)
        self.version = Version(self.kind, self.fields)
        pairs = {name: each.value(self.version.module) for name, each in self.parts.items()}
        self.given = self.version.cls(id="1", **{name: given for name, (given, _) in pairs.items()})
        self.reads = {name: read for name, (_, read) in pairs.items()}
        self.refused = [name for name, read in self.reads.items() if read is REFUSED]


@many
@given(data=st.data())
def test_values_are_read_back_as_written_or_refused_with_their_field(data: st.DataObject) -> None:
    example = Example(data, depth=2)
    version, message = example.version, example.given
    if example.refused:
        for write in (version.encode, version.encode.normal):
            with pytest.raises(UnencodableError, match="|".join(example.refused)):
                write(message)
        return
    value = version.encode(message)
    expected = version.cls(id="1", **example.reads)
    normal, read = version.encode.normal(message), version.read(value)
    assert normal == read == expected
    assert repr(normal) == repr(read) == repr(expected)
    assert version.encode.normal(read) is read
    assert version.encode(normal) == value
    fingerprint = version.encode.fingerprint(message)
    assert fingerprint == Reader(version.contract, version.cls, version.contract.schema).fingerprint(read, value)
    assert fingerprint == Fingerprints(version.contract.tree).of_value(value)


@many
@given(data=st.data())
def test_values_that_were_not_written_are_read_as_defaults(data: st.DataObject) -> None:
    example = Example(data, depth=1)
    more = example.types.any(2)
    if example.refused or more.default is None:
        return
    written, default = more.default
    old = example.version
    new = Version(example.kind, [*example.fields, {"name": "more", "type": more.avro, "default": written}])
    value = old.encode(example.given)
    read = new.read(value, old.contract)
    left_out = new.cls(id="1", **{name: getattr(read, name) for name in example.parts})
    assert (read, repr(read)) == (left_out, repr(left_out))
    assert repr(read.more) == repr(default(new.module))
    assert new.encode.normal(read) is read
    loose = new.read(value, old.contract, record_class(new.contract))
    assert msgspec.json.encode(loose) == msgspec.json.encode(read)
    assert new.encode.fingerprint(read) == old.encode.fingerprint(example.given)


@many
@given(data=st.data())
def test_values_written_with_another_schema_are_read_as_far_as_it_is_known(data: st.DataObject) -> None:
    """Fields of the old version are left out, renamed by an alias, made wider, and stand in another order."""
    example = Example(data, depth=1)
    if example.refused:
        return
    fields, widened = [], {}
    for name, part in example.parts.items():
        kept = {"name": name, "type": part.avro}
        renamed = {"name": f"new_{name}", "type": part.avro, "aliases": [name]}
        wider = [{"name": name, "type": avro, "widen": widen} for avro, widen in part.wider]
        field: Any = example.draw(st.sampled_from([None, kept, renamed, *wider]))
        if field is not None:
            widened[field["name"]] = name, field.pop("widen", lambda value: value)
            fields.append(field)
    new = Version(example.kind, example.draw(st.permutations(fields)))
    value = example.version.encode(example.given)
    try:
        expected = {ours: widen(example.reads[name]) for ours, (name, widen) in widened.items()}
    except Refused:
        with pytest.raises(UndecodableError):
            new.read(value, example.version.contract)
        return
    read = new.read(value, example.version.contract)
    assert {name: repr(getattr(read, name)) for name in expected} == {
        name: repr(each) for name, each in expected.items()
    }
    assert repr(new.encode.normal(read)) == repr(read)
