"""Small projects of schema files, written into a temporary folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from verbwire.contracts.schema.grammar import full_name

Json = Any


def record(name: str, fields: dict[str, Json] | list[Json], **more: Json) -> dict[str, Json]:
    """A record of shop.carts; fields by name, or as a list where a field says more than its type."""
    listed = [{"name": key, "type": value} for key, value in fields.items()] if isinstance(fields, dict) else fields
    return {"type": "record", "namespace": "shop.carts", "name": name, "fields": listed, **more}


def event(name: str, fields: dict[str, Json] | list[Json], **more: Json) -> dict[str, Json]:
    """An event with the key field cart_id beside the others."""
    rest = [{"name": key, "type": value} for key, value in fields.items()] if isinstance(fields, dict) else fields
    key = {"name": "cart_id", "type": "string"}
    return record(name, [key, *rest], **{"kind": "event", "key": "cart_id", **more})


def project(folder: Path, *schemas: dict[str, Json]) -> Path:
    """Write each schema into the folder of its context, named as it should be; return the folder of the schemas."""
    root = folder / "schemas"
    root.mkdir(exist_ok=True)
    for schema in schemas:
        context = root / full_name("x", schema.get("namespace", "shop.carts")).split(".")[-2]
        context.mkdir(exist_ok=True)
        (context / f"{schema['name']}.avsc").write_text(json.dumps(schema), encoding="utf-8")
    return root
