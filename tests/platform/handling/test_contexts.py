"""What a handler is told of a record: its id, who began, which command it answers."""

from __future__ import annotations

from tests.kit.bank import Taken
from verbwire import OutcomeContext
from verbwire.handling.contexts import context_of, outcome_context_of


def record(topic: str, **headers: str) -> Taken:
    return Taken(topic, 3, 7, 0, b"k", b"v", [(f"ce_{name}", value.encode()) for name, value in headers.items()])


def test_a_record_without_an_id_is_named_by_its_place_which_is_hashed_where_it_is_too_long_for_an_id() -> None:
    assert context_of(record("shop.carts.commands")).id == "shop.carts.commands/3/7"
    first, second = (context_of(record(letter * 249)).id for letter in "ab")
    assert (len(first), len(second)) == (32, 32)
    assert first != second


def test_an_outcome_tells_the_command_that_it_answers() -> None:
    context = outcome_context_of(record("t", id="c1:outcome", causationid="c1", correlationid="flow"), "deposit")
    assert isinstance(context, OutcomeContext)
    assert (context.id, context.command_id, context.tag, context.correlation_id) == (
        "c1:outcome",
        "c1",
        "deposit",
        "flow",
    )
