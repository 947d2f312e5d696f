"""Which generation of a table answers: pauses, and what is under way meanwhile."""

from __future__ import annotations

import asyncio

import pytest
from starlette.responses import Response

from verbwire.http.base.problem import HttpProblem
from verbwire.http.base.routing import Answer
from verbwire.http.tables.table_switch import TableSwitch


def read(table: str, number: int | None) -> Answer:
    return Response(f"{table} {number}")


def text(answer: Answer) -> str:
    assert isinstance(answer, Response)
    return bytes(answer.body).decode()


def switch() -> TableSwitch[str]:
    made = TableSwitch[str]("jars", lambda number: f"elsewhere-{number}")
    made.add(0, "old")
    made.add(1, "new")
    return made


def test_a_table_that_was_never_switched_tells_other_workers_nothing() -> None:
    assert text(switch().answer(None, read)) == "old None"


def test_a_switched_table_answers_by_what_serves_and_by_what_another_worker_asks_for() -> None:
    made = switch()
    made.serve(1)
    assert text(made.answer(None, read)) == "new 1"
    assert text(made.answer(0, read)) == "old 0"
    assert text(made.answer(7, read)) == "elsewhere-7 7"


def test_a_switch_waits_for_answers_under_way_and_those_that_come_wait_for_it() -> None:
    asyncio.run(_a_switch_between_answers())


async def _a_switch_between_answers() -> None:
    made, go = switch(), asyncio.Event()

    async def slow() -> Response:
        await go.wait()
        return Response("slow")

    under_way = made.answer(None, lambda *_: slow())
    assert not isinstance(under_way, Response)
    begun = asyncio.ensure_future(under_way)
    made.pause()
    assert not made.drained
    late = made.answer(None, read)
    assert not isinstance(late, Response)
    waiting = asyncio.ensure_future(late)
    go.set()
    assert bytes((await begun).body) == b"slow"
    assert made.drained
    assert not waiting.done()
    made.serve(1)
    assert bytes((await waiting).body) == b"new 1"
    assert not made.drained


def test_a_switch_does_not_let_another_worker_wait_for_what_pauses() -> None:
    made = switch()
    made.pause()
    with pytest.raises(HttpProblem, match="being switched"):
        made.answer(0, read)
    assert made.drained


def test_a_switch_counts_a_read_that_fails_as_over() -> None:
    made = switch()

    def fails(*_: object) -> Answer:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        made.answer(None, fails)
    made.pause()
    assert made.drained
