"""What the console knows of a project before it asks anybody."""

from __future__ import annotations

from typing import Any

from tests.kit.http import CATALOG, SHELVES, ShelfRow
from tests.kit.samples.town.market import FindStalls, GetStall, StallRow
from verbwire import Table
from verbwire.http.console.catalog import catalog_of
from verbwire.http.console.described import console_paths
from verbwire.http.console.drawing import drawing_of
from verbwire.project import Project
from verbwire.settings import Settings

STALLS = Table("trade.stalls", row=StallRow, answers=[GetStall, FindStalls], index=["owner", "fee"], search=["owner"])
DECLARED: dict[str, Any] = {SHELVES: Table(SHELVES, row=ShelfRow), "trade.stalls": STALLS}
PROJECT = Project(Settings(project="town"), CATALOG, DECLARED)


def test_the_consoles_catalog_says_what_finds_rows_of_a_table() -> None:
    stalls = next(each for each in catalog_of(PROJECT)["tables"] if each["name"] == "trade.stalls")
    assert [each["name"] for each in stalls["columns"]] == ["owner", "fee"]
    assert stalls["columns"][1]["sort"].startswith("decimal")
    assert (stalls["kind"], stalls["searchable"], stalls["row"]) == ("table", True, StallRow.__contract__)
    assert stalls["answers"] == sorted([GetStall.__contract__, FindStalls.__contract__])


def test_the_consoles_catalog_has_every_contract_with_its_schema() -> None:
    messages = catalog_of(PROJECT)["messages"]
    assert [each["name"] for each in messages] == sorted(each.name for each in CATALOG)
    assert all(each["avro"]["fields"] is CATALOG.contracts[each["name"]].schema["fields"] for each in messages)


def test_the_consoles_drawing_has_a_place_for_each_end_of_a_line() -> None:
    drawing = drawing_of(PROJECT)
    boxes = {each["id"]: each for each in drawing["boxes"]}
    assert {each["kind"] for each in boxes.values()} >= {"table", "query"}
    assert drawing["lines"]
    for line in drawing["lines"]:
        assert {line["source"], line["target"]} <= boxes.keys()
        assert all(0 <= x <= drawing["width"] and 0 <= y <= drawing["height"] for x, y in line["points"])


def test_the_console_is_described_with_the_problems_that_it_answers_with() -> None:
    paths = console_paths()
    assert paths["/console"]["get"]["security"] == []
    assert {"401", "403", "404", "503"} <= paths["/console/api/trace/{name}"]["get"]["responses"].keys()
    assert {"400", "403", "415"} <= paths["/console/api/dead-letters/{name}"]["post"]["responses"].keys()
