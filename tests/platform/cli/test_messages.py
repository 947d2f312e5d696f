"""Messages at the command line: fields as text or JSON, held to the contract before anything is sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.cli import verbwire

ROOT = Path(__file__).parents[3]
NOWHERE = {"VERBWIRE_BOOTSTRAP": "127.0.0.1:1", "VERBWIRE_REGISTRY": "http://127.0.0.1:1"}
REST = ("order_id=7", "country=EIRE", "placed_at=2010-12-01T08:26:00Z")
WHOLE = '{"order_id": "7", "country": "EIRE", "total_pence": 1, "placed_at": "2010-12-01T08:26:00Z"}'


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((*REST, "total_pence=twelve"), 'total_pence: "twelve" is not an integer of 64 bits: write digits, like 12'),
        (("order_id=7", "colour=red"), "colour: there is no such field"),
        (("order_id=7",), "this field is missing, and it has no default"),
        (("order_id",), "'order_id': write name=value for each field"),
        (("order_id=7", "order_id=8"), "order_id is given twice"),
        (('{"order_id": "7", "order_id": "8"}',), "order_id"),
        (('{"order_id": ',), "cannot be read as JSON"),
        (("@nowhere.json",), "nowhere.json cannot be read"),
        ((WHOLE.replace('"7"', '""'),), "out of bounds: order_id"),
    ],
)
def test_a_message_that_does_not_fit_is_refused_with_its_field_before_anything_is_sent(
    arguments: tuple[str, ...], expected: str
) -> None:
    said = verbwire(ROOT, "send", "PlaceOrder", *arguments, **NOWHERE)
    assert said.returncode == 2, said
    assert expected in said.stderr


@pytest.mark.parametrize(
    ("command", "message", "expected"),
    [
        ("send", "OrderPlaced", "use `verbwire publish OrderPlaced`"),
        ("ask", "GetOrder", "use `verbwire query GetOrder`"),
        ("publish", "PlaceOrder", "use `verbwire send or ask PlaceOrder`"),
        ("query", "OrderRow", "it is written by its group alone"),
        ("send", "PlaceOder", "no contract is called PlaceOder"),
    ],
)
def test_a_message_of_another_kind_names_the_command_that_is_meant(command: str, message: str, expected: str) -> None:
    said = verbwire(ROOT, command, message, **NOWHERE)
    assert said.returncode in (1, 2), said
    assert expected in said.stderr


def complete(*words: str) -> list[str]:
    """What bash is offered for the last of these words."""
    typed = " ".join(("verbwire", *words))
    environment = {"_VERBWIRE_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(len(words))}
    return verbwire(ROOT, **environment).stdout.split()


def test_completion_offers_the_names_of_the_project() -> None:
    assert complete("send", "Pl") == ["PlaceOrder"]
    assert complete("publish", "OrderPl") == ["OrderPlaced"]
    assert complete("send", "OrderP") == []
    assert complete("query", "Find") == ["FindOrders"]
    assert complete("log", "shop.c") == ["shop.carts"]
    assert "shop.sales_per_minute" in complete("why", "shop.sales")
    assert {"shop.carts", "shop.carts.outcomes"} <= {*complete("tail", "shop.carts")}


def test_completion_is_silent_where_there_is_no_project(tmp_path: Path) -> None:
    environment = {"_VERBWIRE_COMPLETE": "complete_bash", "COMP_WORDS": "verbwire send Pl", "COMP_CWORD": "2"}
    said = verbwire(tmp_path, **environment)
    assert (said.stdout.split(), said.stderr) == ([], "")
