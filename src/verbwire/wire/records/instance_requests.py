"""What is asked of process instances: the kinds of request, and a whole record inside of one."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import msgspec

from verbwire.errors import UndecodableError
from verbwire.kafka.record import ConsumedRecord

CANCEL = "cancel-instance"
SEND_AGAIN = "send-again"  # the command that the details hold, if it is still waited for
HEAR = "hear-outcome"  # that the details hold, if it is still waited for


def carried(record: ConsumedRecord) -> dict[str, str]:
    """Return a record as the details of a request."""
    headers = [[name, None if value is None else _text(value)] for name, value in record.headers]
    found: dict[str, Any] = {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp,
        "key": None if record.key is None else _text(record.key),
        "value": None if record.value is None else _text(record.value),
        "headers": headers,
    }
    return {"record": msgspec.json.encode(found).decode()}


def read_carried(details: Mapping[str, str]) -> ConsumedRecord:
    """Return the record that such details hold; :class:`UndecodableError` where they hold none."""
    try:
        found = msgspec.json.decode(details["record"], type=_Carried)
        headers = [(name, _bytes(value) or b"") for name, value in found.headers]
        key, value = _bytes(found.key), _bytes(found.value)
    except (KeyError, msgspec.MsgspecError, binascii.Error) as error:
        raise UndecodableError(f"the request holds no record: {error}") from error
    return ConsumedRecord(found.topic, found.partition, found.offset, found.timestamp, key, value, headers)


class _Carried(msgspec.Struct):
    topic: str
    partition: int
    offset: int
    timestamp: int
    key: str | None
    value: str | None
    headers: list[tuple[str, str | None]]


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text, validate=True)
