"""`verbwire check` warns of what has no upper bound and can stop a group."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.kit import bank_jars, bank_tills
from tests.kit.bank import CATALOG
from tests.kit.samples.bank.jars import JarRow
from tests.kit.samples.bank.tills import CoinsMoved, OwnerRow
from tests.shop import catalog, project
from verbwire import Table
from verbwire.contracts.checks.findings import Finding, Severity
from verbwire.contracts.schema.model import Catalog
from verbwire.declarations.unbounded import check_bounds, key_fields

MONEY = {"type": "map", "values": {"type": "array", "items": "long"}}


def with_bounds(name: str, field: str, **bounds: Any) -> Catalog:
    """The samples, where one field says more."""
    contract = CATALOG.find(name)
    fields = [{**each, **bounds} if each["name"] == field else each for each in contract.schema["fields"]]
    changed = replace(contract, schema={**contract.schema, "fields": fields})
    return Catalog({**CATALOG.contracts, contract.name: changed}, CATALOG.types)


def told(catalog: Catalog, declared: object) -> list[Finding]:
    found = check_bounds(catalog, [declared])
    assert {each.severity for each in found} <= {Severity.WARNING}
    return found


@pytest.mark.parametrize("declared", [bank_tills.owners(), bank_tills.own_minutes(), bank_tills.savings()])
def test_a_text_that_becomes_a_key_needs_bounds(declared: Any) -> None:
    (found,) = [each for each in told(CATALOG, declared) if each.code == "unbounded-key"]
    assert found.file.endswith("CoinsMoved.avsc")
    assert f"CoinsMoved.owner becomes a key of {declared.group}" in found.message
    assert '"minLength": 1 and a "maxLength" like 100' in found.message
    half = with_bounds("CoinsMoved", "owner", maxLength=9)
    assert [each.message.count("Length") for each in told(half, declared) if each.code == "unbounded-key"] == [1]
    whole = with_bounds("CoinsMoved", "owner", maxLength=9, minLength=1)
    assert [each for each in told(whole, declared) if each.code == "unbounded-key"] == []


def test_bounds_are_not_needed_by_keys_and_short_types() -> None:
    table = Table("bank.owners", row=OwnerRow)

    @table.rekeys
    def either(event: CoinsMoved) -> Any:
        return event.till_id if event.how == "till" else event.pence

    assert key_fields(either) == ["till_id", "pence"]
    assert [each.code for each in told(CATALOG, table)] == ["unbounded-row"]


def formatted(event: Any) -> str:
    day = f"{event.at:%Y}"
    return f"{event.owner}/{day}"


def called(event: Any) -> str | None:
    is_nobodys = event.how == "nobody's"
    if is_nobodys:
        return None
    return str(event.owner or event.till_id).lower()


@pytest.mark.parametrize(
    ("function", "fields"),
    [
        (formatted, ["at", "owner"]),
        (called, ["owner", "till_id"]),
        (lambda event: event.owner, []),  # its source cannot be told from what stands around it
        (str, []),
    ],
)
def test_the_fields_of_a_key_are_read_in_the_source(function: Callable[..., Any], fields: list[str]) -> None:
    assert key_fields(function) == fields


def test_a_list_or_map_in_a_row_needs_a_bound() -> None:
    jars = bank_jars.table()
    assert [each.code for each in told(CATALOG, jars)] == []
    fields = [*CATALOG.of(JarRow).schema["fields"], {"name": "money", "type": ["null", MONEY]}]
    row = CATALOG.of(JarRow)
    for more, missing in (
        ({}, ["money", "money[]"]),
        ({"maxProperties": 9}, ["money[]"]),
    ):
        schema = {**row.schema, "fields": [*fields[:-1], {**fields[-1], **more}]}
        changed = Catalog({**CATALOG.contracts, row.name: replace(row, schema=schema)})
        found = told(changed, jars)
        assert [each.code for each in found] == ["unbounded-row"] * len(missing)
        for each, path in zip(found, missing, strict=True):
            assert each.message.startswith(f"{path} may grow until bank.jars stops")
    inside = {**MONEY, "values": {**MONEY["values"], "maxItems": 3}}  # type: ignore[dict-item]  # a map, see above
    schema = {**row.schema, "fields": [*fields[:-1], {"name": "money", "type": inside, "maxProperties": 9}]}
    assert told(Catalog({**CATALOG.contracts, row.name: replace(row, schema=schema)}), jars) == []


def test_an_event_takes_every_key_that_its_commands_take() -> None:
    receiver = bank_jars.receiver()
    assert told(CATALOG, receiver) == []
    found = told(with_bounds("PutCoins", "jar_id", maxLength=300), receiver)
    assert {each.code for each in found} == {"narrower-event"}
    assert {each.file.rpartition("/")[2] for each in found} == {
        f"{name}.avsc" for name in ("CoinsPut", "CoinsTaken", "JarSealed", "JarShaken")
    }
    assert "at most 200 characters, that of PutCoins may have more" in found[0].message


def test_bounds_of_the_shop_are_complete() -> None:
    assert check_bounds(catalog(), project().declared.values()) == []
