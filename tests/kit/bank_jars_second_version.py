"""The second version of the bank's table of jars: its rows have a field more, which the first knows nothing of."""

from __future__ import annotations

import json
from dataclasses import replace

from msgspec.structs import replace as with_fields

from tests.kit.bank import CATALOG, Bank
from tests.kit.samples.bank.jars import CoinsPut
from verbwire import Row, Table
from verbwire.contracts.schema.model import Catalog, Contract
from verbwire.wire.codec.topics import Codec

_FIRST = CATALOG.contracts["bank.jars.JarRow"]
_MORE = {"name": "puts", "type": "int", "default": 0, "doc": "How often something was put in."}
_SCHEMA = {**_FIRST.schema, "fields": [*_FIRST.schema["fields"], _MORE]}
SECOND: Contract = replace(_FIRST, schema=_SCHEMA, text=json.dumps(_SCHEMA), fingerprint="of the second")


class JarRow(Row, frozen=True, kw_only=True):
    """A jar as the second version shows it."""

    __contract__ = "bank.jars.JarRow"
    __fingerprint__ = "of the second"

    jar_id: str
    pence: int = 0
    label: str = ""
    puts: int = 0


def table() -> Table[JarRow]:
    """The table of jars as its second version has it."""
    jars = Table("bank.jars", row=JarRow, index=["pence", "label"])

    @jars.on
    def put(row: JarRow | None, event: CoinsPut) -> JarRow:
        row = row or JarRow(jar_id=event.jar_id)
        return with_fields(row, pence=row.pence + event.pence, puts=row.puts + 1)

    return jars


def codec(bank: Bank) -> Codec:
    """What the second version reads and writes by; deploys its contract."""
    bank.registry.register(bank.names.subject(SECOND.name), _FIRST.text)
    bank.registry.register(bank.names.subject(SECOND.name), SECOND.text)
    return Codec(Catalog({**CATALOG.contracts, SECOND.name: SECOND}, CATALOG.types), bank.registry, bank.names)
