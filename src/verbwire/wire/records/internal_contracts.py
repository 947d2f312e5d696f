"""Contracts of verbwire's own records, which stand in code: deployed like the others, readable by any client."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from verbwire.contracts.schema.model import Contract, Schema
from verbwire.messages import Kind


def own_contract(schema: Schema, file: str) -> Contract:
    """Return the contract of a row whose schema `file` spells out."""
    text = json.dumps(schema, separators=(",", ":"))
    return Contract(
        name=f"{schema['namespace']}.{schema['name']}",
        kind=Kind.ROW,
        key=(schema["key"],),
        schema=schema,
        file=Path(file),
        text=text,
        fingerprint=hashlib.sha256(text.encode()).hexdigest()[:16],
    )
