"""The bytes of a record's key.

A key of one field is what any other client would write:

- text (also an enum's symbol): its UTF-8 bytes;
- an integer: its decimal digits as text, ``-7``;
- a UUID: its 36 characters in lower case;
- bytes: as they are.

A key of several fields is a *tuple*: its elements one after another, each starting with a byte that says what it is.
Two such keys compare bytewise exactly as their tuples compare, element by element, so a range of keys is a range of
bytes. The encoding is the tuple layer of FoundationDB (its ``design/tuple.md``), known to libraries in most languages:

====================  ==========================================================================================
element               bytes
====================  ==========================================================================================
bytes                 ``01``, the bytes with every ``00`` written as ``00 FF``, ``00``
text                  ``02``, its UTF-8 with every ``00`` written as ``00 FF``, ``00``
integer 0             ``14``
integer > 0           ``14 + n``, then the n bytes of its shortest big-endian form (n = 1..8)
integer < 0           ``14 - n``, then the n bytes of ``value + 256**n - 1``, big-endian (n = 1..8)
UUID                  ``30``, its 16 bytes
timestamp             as the integer of its microseconds since 1970-01-01T00:00:00Z
date                  as the integer of its days since 1970-01-01
====================  ==========================================================================================

Integers are Avro's: signed, 64 bits. Null and empty text or bytes are refused, alone and inside a tuple: records that
have no identity would all meet under one key.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from operator import attrgetter
from typing import Any, TypeAlias
from uuid import UUID

from verbwire.contracts.schema.model import Contract
from verbwire.errors import UndecodableError, UnkeyableError
from verbwire.messages import Message

Key: TypeAlias = str | int | UUID | bytes | datetime | date

_BYTES, _TEXT, _ZERO, _UUID = 0x01, 0x02, 0x14, 0x30
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_DAY = date(1970, 1, 1).toordinal()
_MICROSECOND = timedelta(microseconds=1)
_LONG = range(-(2**63), 2**63)
_DIGITS = re.compile(r"0|-?[1-9][0-9]{0,18}")


def key_bytes(value: object) -> bytes:
    """Return the bytes of a key: of one value, or of a tuple of several.

    :class:`UnkeyableError` for null, for empty text, bytes or tuples, for integers of more than 64 bits, and for
    types that have no agreed bytes.
    """
    if isinstance(value, str):
        return _utf8(value)
    if isinstance(value, tuple):
        if not value:
            raise UnkeyableError("the key is an empty tuple: give at least one value")
        return b"".join(map(_element, value))
    if isinstance(value, int) and not isinstance(value, bool):
        return b"%d" % _long(value)
    if isinstance(value, UUID):
        return str(value).encode()
    if isinstance(value, bytes):
        return _present(value)
    raise _unkeyable(value)


def key_of(contract: Contract, message: Message) -> bytes:
    """Return the key of a message: of its contract's key field, or of all of them as a tuple."""
    fields = contract.key
    try:
        if len(fields) == 1:
            return key_bytes(getattr(message, fields[0]))
        return key_bytes(tuple([getattr(message, name) for name in fields]))
    except UnkeyableError as error:
        raise UnkeyableError(f"{contract.name} cannot be keyed by {', '.join(fields)}: {error}") from None


def keyer(contract: Contract) -> Callable[[Message], bytes]:
    """Return what makes the keys of a contract's messages, as :func:`key_of` would; most keys are one text."""
    if len(contract.key) != 1:
        return partial(key_of, contract)
    value_of = attrgetter(contract.key[0])

    def key(message: Message) -> bytes:
        value = value_of(message)
        if type(value) is str and value.isascii() and value:
            return value.encode()
        return key_of(contract, message)

    return key


def keys_of(contract: Contract, messages: Sequence[Message]) -> list[bytes]:
    """Return the keys of messages of one contract, as :func:`key_of` would each; most keys are one text."""
    try:
        if len(contract.key) == 1:
            keys = [*map(str.encode, map(attrgetter(contract.key[0]), messages))]
            if b"" not in keys:
                return keys
    except (TypeError, UnicodeEncodeError):
        pass  # no text, or none that is a key: told below
    return [key_of(contract, message) for message in messages]


def parse_key(contract: Contract, key: bytes) -> tuple[Key, ...]:
    """Return the values of a key, one for each key field of the contract.

    :class:`UndecodableError` when the bytes are not the ones that :func:`key_of` writes.
    """
    kinds = _kinds(contract)
    try:
        if len(kinds) == 1:
            values: tuple[Key, ...] = (_parse_one(kinds[0], key),)
        else:
            values = tuple(_parse_element(kind, each) for kind, each in zip(kinds, _elements(key), strict=True))
        if key_bytes(values if len(kinds) > 1 else values[0]) != key:
            raise ValueError("another spelling of the same key")
    except (ValueError, IndexError, OverflowError, UnkeyableError) as error:
        raise UndecodableError(
            f"{key[:80]!r} is not a key of {contract.name} ({', '.join(contract.key)}): {error}"
        ) from error
    return values


def window_key(row: Contract, key: bytes, start: datetime) -> bytes:
    """Return the key of a window's row: the key that it counts, and the window's begin.

    :class:`UndecodableError` when `key` is none that the first key field of the row could have.
    """
    kind = _kinds(row)[0]
    try:
        value = _parse_one(kind, key)
        if key_bytes(value) != key:
            raise ValueError("another spelling of the same key")
    except (ValueError, OverflowError, UnkeyableError) as error:
        raise UndecodableError(f"{key[:80]!r} cannot be {row.key[0]} ({kind}) of {row.name}: {error}") from error
    return key_bytes((value, start))


def parse_key_text(contract: Contract, text: str) -> bytes:
    """Return the key that a person wrote; see :func:`key_text_parser`."""
    return key_text_parser(contract)(text)


def key_text_parser(contract: Contract) -> Callable[[str], bytes]:
    r"""Return what makes a key of the text that a person wrote, in a URL for instance; the inverse of :func:`key_text`.

    Several fields are separated by commas (a comma of a text is written ``\,`` and a backslash ``\\``); timestamps
    are RFC 3339, bytes are hexadecimal. :class:`UnkeyableError` says what was expected.
    """
    kinds = _kinds(contract)

    def parse(text: str) -> bytes:
        parts = [text] if len(kinds) == 1 else _split(text)
        if len(parts) != len(kinds):
            raise UnkeyableError(
                f"{text!r} has {len(parts)} part(s), a key of {contract.name} has {len(kinds)}: "
                f"{','.join(contract.key)}"
            )
        try:
            values = [_parse_text(kind, part) for kind, part in zip(kinds, parts, strict=True)]
        except (ValueError, OverflowError) as error:
            wanted = ",".join(f"{name} ({kind})" for name, kind in zip(contract.key, kinds, strict=True))
            raise UnkeyableError(f"{text!r} is not a key of {contract.name}, write {wanted}: {error}") from error
        return key_bytes(values[0] if len(values) == 1 else tuple(values))

    return _utf8 if kinds == ["string"] else parse


def key_text(contract: Contract, key: bytes) -> str:
    """Return a key as people read and write it; :func:`parse_key_text` reads it back."""
    texts = [_as_text(value) for value in parse_key(contract, key)]
    if len(texts) == 1:
        return texts[0]
    return ",".join(text.replace("\\", "\\\\").replace(",", "\\,") for text in texts)


def key_shown(contract: Contract, key: bytes) -> str:
    """Return the same of a key that may be none of the contract's: hexadecimal then."""
    try:
        return key_text(contract, key)
    except UndecodableError:
        return key.hex()


def _utf8(text: str) -> bytes:
    try:
        return _present(text.encode())
    except UnicodeEncodeError:
        raise UnkeyableError(f"the key {text[:80]!r} holds a lone surrogate, which UTF-8 cannot carry") from None


def _present(data: bytes) -> bytes:
    if not data:
        raise UnkeyableError("the key is empty: records without identity would all share one key")
    return data


def _long(number: int) -> int:
    if number not in _LONG:
        raise UnkeyableError(f"the key {number} has more than 64 bits")
    return number


def _unkeyable(value: object) -> UnkeyableError:
    if value is None:
        return UnkeyableError("the key is null: give the key field a value")
    return UnkeyableError(f"a key cannot be a {type(value).__name__}: use text, an integer, a UUID or bytes")


def _element(value: object) -> bytes:
    if isinstance(value, str):
        return b"\x02" + _utf8(value).replace(b"\x00", b"\x00\xff") + b"\x00"
    if isinstance(value, int) and not isinstance(value, bool):
        return _integer(_long(value))
    if isinstance(value, bytes):
        return b"\x01" + _present(value).replace(b"\x00", b"\x00\xff") + b"\x00"
    if isinstance(value, UUID):
        return b"\x30" + value.bytes
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise UnkeyableError(f"the timestamp {value} has no time zone: use datetime(..., tzinfo=UTC)")
        return _integer((value - _EPOCH) // _MICROSECOND)
    if isinstance(value, date):
        return _integer(value.toordinal() - _FIRST_DAY)
    raise _unkeyable(value)


def _integer(value: int) -> bytes:
    size = (abs(value).bit_length() + 7) // 8
    if value >= 0:
        return bytes((_ZERO + size,)) + value.to_bytes(size, "big")
    return bytes((_ZERO - size,)) + (value + (1 << 8 * size) - 1).to_bytes(size, "big")


def _elements(key: bytes) -> Iterator[tuple[int, bytes | int]]:
    at = 0
    while at < len(key):
        code = key[at]
        at += 1
        if code in (_BYTES, _TEXT):
            end = key.index(b"\x00", at)
            while key[end + 1 : end + 2] == b"\xff":
                end = key.index(b"\x00", end + 2)
            yield code, key[at:end].replace(b"\x00\xff", b"\x00")
            at = end + 1
        elif code == _UUID:
            yield code, key[at : at + 16]
            at += 16
        elif _ZERO - 8 <= code <= _ZERO + 8:
            size = abs(code - _ZERO)
            number = int.from_bytes(key[at : at + size], "big")
            yield _ZERO, number if code >= _ZERO else number - (1 << 8 * size) + 1
            at += size
        else:
            raise ValueError(f"an element cannot start with {code:#04x}")


def _parse_element(kind: str, element: tuple[int, bytes | int]) -> Key:
    match kind, element:
        case "string", (0x02, bytes(data)):
            return data.decode()
        case "bytes", (0x01, bytes(data)):
            return data
        case "uuid", (0x30, bytes(data)):
            return UUID(bytes=data)
        case "long", (0x14, int(number)):
            return number
        case "timestamp", (0x14, int(number)):
            return _EPOCH + number * _MICROSECOND
        case "date", (0x14, int(number)):
            return date.fromordinal(number + _FIRST_DAY)
    raise ValueError(f"a {kind} was expected")


def _parse_one(kind: str, key: bytes) -> Key:
    return key if kind == "bytes" else _parse_text(kind, key.decode())


def _parse_text(kind: str, text: str) -> Key:
    if kind == "long":
        if not _DIGITS.fullmatch(text):
            raise ValueError("an integer was expected")
        return int(text)
    if kind == "uuid":
        return UUID(text)
    if kind == "bytes":
        return bytes.fromhex(text)
    if kind == "date":
        return date.fromisoformat(text)
    if kind == "timestamp":
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError("the time zone is missing, end with Z")
        return moment
    return text


def _as_text(value: Key) -> str:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(value)


def _split(text: str) -> list[str]:
    parts = [""]
    letters = iter(text)
    for letter in letters:
        if letter == ",":
            parts.append("")
        else:
            parts[-1] += next(letters, "") if letter == "\\" else letter
    return parts


def _kinds(contract: Contract) -> list[str]:
    return [_kind(contract, name) for name in contract.key]


def _kind(contract: Contract, field: str) -> str:
    avro = contract.fields.get(field)
    if isinstance(avro, list):
        avro = next((branch for branch in avro if branch != "null"), None)
    logical = avro.get("logicalType") if isinstance(avro, dict) else None
    base: Any = avro["type"] if isinstance(avro, dict) else avro
    if logical in ("uuid", "date"):
        return str(logical)
    if logical in ("timestamp-millis", "timestamp-micros"):
        return "timestamp"
    if base in ("string", "enum"):
        return "string"
    if base in ("int", "long"):
        return "long"
    if base in ("bytes", "fixed"):
        return "bytes"
    raise UnkeyableError(f"{contract.name}: {field} cannot be a key; use string, int, long, uuid or bytes")
