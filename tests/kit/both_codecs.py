"""Both codecs at once: whatever a test reads or writes, the compiled codec and the reference must agree about it."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import pytest

from verbwire.errors import UndecodableError, UnencodableError
from verbwire.http.avro_json.encode import encoder
from verbwire.messages import Message
from verbwire.wire.avro import compiled
from verbwire.wire.avro.messages import MISFITS, Encoder, Reader

_ODD = (0, 1, 2, 3, 4, 0x7E, 0x7F, 0x80, 0x81, 0xFE, 0xFF)
_RUNS = (b"\xff" * 9 + b"\x01", b"\x80" * 11, b"\xfe\xff\xff\xff\x0f", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", b"")
_ADDRESS = re.compile(" at 0x[0-9a-f]+")


def compare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every encoder and reader of a test do its work twice."""
    monkeypatch.setattr(Encoder, "__call__", write_by_both)
    monkeypatch.setattr(Encoder, "all", write_all_by_both)
    monkeypatch.setattr(Encoder, "normal", _normal_by_both)
    monkeypatch.setattr(Reader, "__call__", read_by_both)


def compiled_or_none(does: Any, what: Any) -> Any:
    """What the compiled codec makes of it; None where it leaves that to the reference."""
    try:
        return None if does is None else does(what)
    except MISFITS:
        return None


def alike(found: Message, expected: Message) -> bool:
    """Whether two messages are the same, types of values included: True is not 1, and NaN is NaN."""
    shown = [_ADDRESS.sub("", repr(each)) for each in (found, expected)]
    return type(found) is type(expected) and shown[0] == shown[1] and (found == expected or "nan" in shown[0])


def write_by_both(encoder: Encoder, message: Message) -> bytes:
    found = compiled_or_none(encoder._compiled, message)
    try:
        expected = encoder._by_reference(message)
    except UnencodableError:
        assert found is None or (encoder._bounds and encoder._bounds(message)), f"written all the same: {message!r}"
        raise
    assert found in (None, expected), f"written otherwise: {message!r}"
    return expected


_write_all = Encoder.all


def write_all_by_both(encoder: Encoder, messages: Sequence[Message]) -> list[bytes]:
    """A batch is what its messages are one by one; where one of them cannot be written, neither can the batch."""
    try:
        found: list[bytes] | UnencodableError = _write_all(encoder, messages)
    except UnencodableError as error:
        found = error
    expected = [write_by_both(encoder, message) for message in messages]
    assert found == expected, f"written otherwise together: {messages!r}"
    return expected


def read_by_both(reader: Reader, value: bytes) -> Message:
    found = compiled_or_none(reader._compiled, value)
    try:
        expected = reader._by_reference(value)
    except UndecodableError:
        assert found is None, f"read all the same: {value!r} as {found!r}"
        assert reader.shown(value) is None, f"shown all the same: {value!r} as {reader.shown(value)!r}"
        _fields_by_both(reader, value, None, False)
        raise
    assert found is None or alike(found, expected), f"read otherwise: {value!r} as {found!r}, not {expected!r}"
    shown = reader.shown(value)
    assert shown is None or shown == encoder(reader.contract)(expected), f"shown otherwise: {value!r} as {shown!r}"
    _fields_by_both(reader, value, expected, found is not None)
    return expected


_FIELDS = WeakKeyDictionary[Reader, dict[tuple[str, ...], Any]]()


def _fields_by_both(reader: Reader, value: bytes, expected: Message | None, planned: bool) -> None:
    """Some fields of a message are those of the whole one, and nothing where that is refused."""
    for names, read in _FIELDS.setdefault(reader, {}).items() or _some_fields(reader):
        found = compiled_or_none(read, value)
        if expected is None:
            assert found is None, f"fields read all the same: {value!r} as {found!r}"
        elif found is not None:
            shown = [_ADDRESS.sub("", repr(each)) for each in (found, [getattr(expected, each) for each in names])]
            assert shown[0] == shown[1], f"fields read otherwise: {value!r}"
        else:
            assert read is None or not planned, f"fields not read: {value!r}"


def _some_fields(reader: Reader) -> list[tuple[tuple[str, ...], Any]]:
    """What reads every other field, backwards, and what reads the others."""
    every = [each.name for each in reader.contract.tree.fields][::-1]
    found = {
        names: compiled.reading_fields(reader._written_as, reader.contract.tree, reader._cls, names)
        for names in (tuple(every[::2]), tuple(every[1::2]))
    }
    _FIELDS[reader] = found
    return list(found.items())


_normal = Encoder.normal


def _normal_by_both(encoder: Encoder, message: Message) -> Message:
    tidy = encoder._is_tidy(message)
    compiled, encoder._compiled = encoder._compiled, None
    try:
        expected = _normal(encoder, message)
    finally:
        encoder._compiled = compiled
    assert expected is message or not tidy, f"called tidy: {message!r}"
    return expected


def spoilt(chance: random.Random, value: bytes) -> bytes:
    """Bytes of a record that were changed on their way, behind its frame."""
    found = bytearray(value)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        at = chance.randrange(5, len(found) + 1)
        match chance.randrange(6):
            case 0 | 1 if at < len(found):
                found[at] = chance.choice(_ODD) if chance.random() < 0.5 else chance.randrange(256)
            case 2:
                found[at:at] = chance.choice(_RUNS) if chance.random() < 0.5 else chance.randbytes(chance.randrange(13))
            case 3:
                del found[at : at + chance.randrange(1, 9)]
            case 4:
                other = chance.randrange(5, len(found) + 1)
                found[at:at] = found[other : other + chance.randrange(32)]
            case _:
                found += found[at:]
    return bytes(found)
