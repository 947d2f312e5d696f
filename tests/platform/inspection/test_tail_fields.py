"""What `tail --where` compares: a field, however deep, as its text in JSON."""

from __future__ import annotations

import pytest

from verbwire.inspection.tail import value_text

MESSAGE = {"id": "7", "total": {"pence": 12, "currency": None}, "lines": [{"sku": "a"}, {"sku": "b"}], "open": True}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("id", "7"),
        ("total.pence", "12"),
        ("total.currency", "null"),
        ("lines.1.sku", "b"),
        ("open", "true"),
        ("lines.2.sku", None),
        ("total.cents", None),
        ("id.x", None),
    ],
)
def test_where_finds_a_field_as_json_writes_it(path: str, expected: str | None) -> None:
    assert value_text(MESSAGE, path) == expected
