"""The contracts that the wire and the client are tested with, and a full message of each."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.kit.samples.office.notes import Colour, Mark, NotesPerDay, NoteTaken, TakeNote
from verbwire.contracts.schema.load import load_catalog
from verbwire.contracts.schema.model import Contract

CATALOG = load_catalog(Path(__file__).parent / "samples/office")
NAMESPACE = "office.notes"

COMMAND = TakeNote(note_id="n1", words="buy tea", priority=3, author="ann")
EVENT = NoteTaken(
    note_id="n1",
    taken_at=datetime(2010, 12, 1, 8, 26, 0, 123_000, tzinfo=UTC),
    filed_at=datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    desk_time=datetime(2010, 12, 1, 9, 26, 0, 1),
    due=date(2010, 12, 24),
    at_time=time(23, 59, 59, 999_999),
    folder=UUID("12345678-1234-5678-1234-567812345678"),
    price=Decimal("-12.50"),
    words="Zwölf Pakete \U0001f375",
    pages=-1,
    letters=2**63 - 1,
    weight=0.1,
    share=0.5,
    secret=True,
    picture=b"\x00\xff",
    checksum=b"abcd",
    colour=Colour.YELLOW,
    author="ann",
    links=("a", "b"),
    marks=(Mark(at=1, colour=Colour.WHITE), Mark(at=2, colour=Colour.YELLOW, says="here")),
    tags={"a": 1, "ü": -(2**63)},
    any="text",
)
ROW = NotesPerDay(
    author="ann",
    number=7,
    folder=UUID(int=5),
    window=datetime(2010, 12, 1, 8, tzinfo=UTC),
    day=date(2010, 12, 1),
)


def changed(contract: Contract, **attributes: Any) -> Contract:
    """Return another version of a contract, with other attributes in its schema."""
    schema = {**contract.schema, **attributes}
    return replace(contract, schema=schema, text=json.dumps(schema, sort_keys=True))


def with_field(contract: Contract, **field: Any) -> Contract:
    """Return another version of a contract, with one more field."""
    return changed(contract, fields=[*contract.schema["fields"], field])
