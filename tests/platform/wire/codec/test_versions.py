"""Which schemas are newer than the code's: the order of versions decides, and only what is written counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.kit.cluster import Cluster
from tests.kit.notes import CATALOG, EVENT, changed, with_field
from verbwire.contracts.schema.model import Catalog, Contract
from verbwire.errors import NewerSchemaError
from verbwire.names import Names
from verbwire.wire.avro.framing import frame
from verbwire.wire.codec.topics import Codec
from verbwire.wire.codec.versions import Versions
from verbwire.wire.registry.client import Registry

pytestmark = pytest.mark.kafka

FIRST = CATALOG.of(EVENT)


def field(called: str, **attributes: Any) -> Contract:
    """The contract with other attributes of one field."""
    fields = [{**each, **attributes} if each["name"] == called else each for each in FIRST.schema["fields"]]
    return changed(FIRST, fields=fields)


def type_of(name: str) -> Any:
    return next(each["type"] for each in FIRST.schema["fields"] if each["name"] == name)


def with_symbol() -> Contract:
    colour = type_of("colour")
    return field("colour", type={**colour, "symbols": [*colour["symbols"], "PURPLE"]})


def with_inner_field() -> Contract:
    marks = type_of("marks")
    inner = marks["items"]
    more = {"name": "size", "type": "int", "default": 0}
    return field("marks", type={**marks, "items": {**inner, "fields": [*inner["fields"], more]}})


LOSES: dict[str, Callable[[], Contract]] = {
    "a field added": lambda: with_field(FIRST, name="isbn", type="string", default=""),
    "a field removed": lambda: changed(FIRST, fields=[f for f in FIRST.schema["fields"] if f["name"] != "author"]),
    "a field renamed by an alias": lambda: field("author", name="writer", aliases=["author"]),
    "a symbol added": with_symbol,
    "a field added inside": with_inner_field,
    "a wider type": lambda: field("pages", type="long"),
    "a branch added": lambda: field("author", type=["null", "string", "long"]),
}
LOSES_NOTHING: dict[str, Callable[[], Contract]] = {
    "another doc": lambda: changed(FIRST, doc="Something was written down."),
    "another default": lambda: field("author", default=None, doc="Whoever it was."),
}


@pytest.fixture
def registry(cluster: Cluster) -> Registry:
    return Registry(cluster.registry_url)


def versions(registry: Registry, unique: str, *contracts: Contract) -> list[Versions]:
    """What the code of each version knows, all of them being registered in this order."""
    names = Names("office", unique)
    for each in contracts:
        registry.register(names.subject(FIRST.name), each.text)
    return [Versions(Codec(Catalog({FIRST.name: each}), registry, names), each) for each in contracts]


@pytest.mark.parametrize("how", LOSES)
def test_a_newer_version_is_one_that_older_code_would_lose_something_of(
    registry: Registry, unique: str, how: str
) -> None:
    old, new = versions(registry, unique, FIRST, LOSES[how]())
    with pytest.raises(NewerSchemaError, match=r"of version 2, this code has version 1: .* Update this one"):
        old.require_not_newer(frame(new.own) + b"body")
    new.require_not_newer(frame(old.own) + b"body")
    new.require_not_newer(frame(new.own) + b"body")


@pytest.mark.parametrize("how", LOSES_NOTHING)
def test_a_newer_version_is_none_that_nothing_is_lost_of(registry: Registry, unique: str, how: str) -> None:
    old, new = versions(registry, unique, FIRST, LOSES_NOTHING[how]())
    assert old.own != new.own
    old.require_not_newer(frame(new.own))


def test_the_order_of_versions_decides_and_not_the_ids(registry: Registry, unique: str) -> None:
    """The newer text has the lower id, for it was registered elsewhere before."""
    first, second = (changed(each, doc=unique) for each in (FIRST, LOSES["a field added"]()))
    registry.register(f"{unique}.elsewhere", second.text)
    old, new = versions(registry, unique, first, second)
    assert new.own < old.own
    with pytest.raises(NewerSchemaError):
        old.require_not_newer(frame(new.own))


def test_an_older_text_that_is_registered_again_keeps_its_version(registry: Registry, unique: str) -> None:
    """As a rollback does that deploys the older contracts."""
    old, new, again = versions(registry, unique, FIRST, LOSES["a field added"](), FIRST)
    assert old.own == again.own
    new.require_not_newer(frame(again.own))
    with pytest.raises(NewerSchemaError):
        again.require_not_newer(frame(new.own))


def test_an_unknown_version_is_left_to_the_decoder(registry: Registry, unique: str) -> None:
    (own,) = versions(registry, unique, FIRST)
    for value in (frame(2**31 - 1), b"", b"\x00", b"garbage"):
        own.require_not_newer(value)
