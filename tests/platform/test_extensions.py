"""Compiled extensions that are older than the code: what a checkout is told, and what it is told by."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import pytest

import verbwire
from verbwire.engine.faust import fetched_records
from verbwire.errors import ConfigurationError
from verbwire.extensions import require_names
from verbwire.wire.avro import compiled

PACKAGE = Path(verbwire.__file__).parent


def extension() -> ModuleType:
    made = ModuleType("verbwire._made")
    made.read = made.Reading = type("Reading", (), {"showing": None})  # type: ignore[attr-defined]
    return made


def test_an_extension_that_is_older_than_the_code_is_told_with_what_to_do() -> None:
    with pytest.raises(
        ConfigurationError, match=r"verbwire._made is older than the code: it has no expect.*make setup"
    ):
        require_names(extension(), ["read", "expect"])
    with pytest.raises(ConfigurationError, match=r"it has no Reading.tidy"):
        require_names(extension(), ["Reading.showing", "Reading.tidy"])


def test_an_extension_is_taken_where_it_has_all_names_or_is_not_there() -> None:
    require_names(extension(), ["read", "Reading.showing"])
    require_names(None, ["read"])


@pytest.mark.parametrize(
    ("module", "name", "needed"),
    [
        ("engine/faust/fetched_records.py", "_records", fetched_records.NEEDED),
        ("wire/avro/compiled.py", "_compiled", compiled.NEEDED),
    ],
)
def test_what_is_asked_of_an_extension_is_what_the_code_uses(module: str, name: str, needed: tuple[str, ...]) -> None:
    used = set(re.findall(rf"\b{name}\.(\w+)", (PACKAGE / module).read_text()))
    assert {each.partition(".")[0] for each in needed} == used
