"""An outage is told in few lines, whoever notices it, and nothing else is hidden."""

from __future__ import annotations

import ast
import asyncio
import logging
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.kit.cluster import eventually
from verbwire.engine.faust import reconnecting
from verbwire.engine.faust.reconnecting import Reconnecting
from verbwire.observability import outages
from verbwire.observability.outages import EXPLAINED, NOT_REACHED, Outage, filtered_by

CONNECT = "Unable connect to node with id %s: %s"


@pytest.fixture
def outage() -> Iterator[Outage]:
    opened = Outage("Kafka")
    with filtered_by(opened):
        yield opened
    if opened._over is not None:
        opened._over.set()


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def complain() -> None:
    for name, forms in {**NOT_REACHED, **EXPLAINED}.items():
        for form in forms:
            logging.getLogger(name).error(
                form, *["x"] * form.count("%s"), *[7] * form.count("%d"), *["y"] * form.count("%r")
            )


def test_an_outage_is_one_line_when_it_begins_and_one_when_it_ends(
    outage: Outage, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    logging.getLogger("aiokafka").error(CONNECT, 1, "refused")
    for _ in range(100):
        complain()
    assert outage.lasts()
    (begun,) = told(caplog)
    assert begun.startswith("Kafka is not reached: Unable connect to node with id 1: refused")
    outage.reached()
    assert outage.lasts(), "somebody complained just now: others may be cut off still"
    monkeypatch.setattr(outages, "QUIET_SECONDS", 0.0)
    outage.reached()
    outage.reached()
    assert not outage.lasts()
    logging.getLogger("verbwire.engine.transactions.committer").warning(
        "abort failed: %s", "its transaction had timed out by then"
    )
    assert [line.partition(", after")[0] for line in told(caplog)[1:]] == ["Kafka is reached again"]


def test_an_outage_is_told_of_every_minute(
    outage: Outage, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outages, "MINUTE", 0.02)
    monkeypatch.setattr(outages, "QUIET_SECONDS", 0.0)
    outage.failed("refused")
    eventually(lambda: sum("still not reached, since" in line for line in told(caplog)) >= 3)
    outage.reached()
    monkeypatch.setattr(outages, "MINUTE", 60.0)
    number = len(told(caplog))
    outage.failed("refused")
    outage.reached()
    assert len(told(caplog)) == number + 2


def test_failures_that_an_outage_does_not_explain_are_told_meanwhile(
    outage: Outage, caplog: pytest.LogCaptureFixture
) -> None:
    outage.failed("refused")
    logging.getLogger("aiokafka").error("Topic %s not found in cluster metadata", "t")
    logging.getLogger("verbwire.engine.restore.lifecycle").error("%s: partition %d is stopped: %s", "g", 1, "why")
    logging.getLogger("verbwire.engine.transactions.committer").exception("commit failed in a way that is not foreseen")
    assert len(told(caplog)) == 4


def test_without_an_outage_failures_are_told(outage: Outage, caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("verbwire.engine.faust.recovery")
    for group in ("a", "a", "b", "a"):
        logger.warning("%s: restore failed, retrying: %s", group, "there is no topic t")
    assert told(caplog) == [f"{group}: restore failed, retrying: there is no topic t" for group in "ab"]
    assert not outage.lasts()


LOGS = {
    "aiokafka": "aiokafka.client",
    "verbwire.http": "verbwire.http.commands.endpoint",
}  # where not the module of that name


@pytest.mark.parametrize("logger", sorted({*NOT_REACHED, *EXPLAINED} - {"verbwire.kafka.librdkafka"}))
def test_the_lines_that_an_outage_stands_for_are_still_written_so(logger: str) -> None:
    """Another wording, in a new release of aiokafka for one, would be told again by the thousand."""
    spec = find_spec(LOGS.get(logger, logger))
    assert spec is not None
    assert spec.origin is not None
    constants = {
        each.value for each in ast.walk(ast.parse(Path(spec.origin).read_text())) if isinstance(each, ast.Constant)
    }
    assert {*NOT_REACHED.get(logger, ()), *EXPLAINED.get(logger, ())} <= constants


class Node:
    """Something to connect to, that is there or not."""

    def __init__(self) -> None:
        self.there = False
        self.attempts = 0

    async def connect(self, _: int, **__: object) -> object | None:
        self.attempts += 1
        await asyncio.sleep(0)
        return self if self.there else None


def test_a_node_that_is_away_is_tried_ever_more_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconnecting, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(reconnecting, "LONGEST_PAUSE", 0.08)

    async def loop(connect: Reconnecting, until: float) -> None:
        while asyncio.get_running_loop().time() < until:
            await connect(1, group="default")
            await asyncio.sleep(0)

    async def scenario() -> None:
        node = Node()
        connect = Reconnecting(node.connect)
        until = asyncio.get_running_loop().time() + 0.5
        await asyncio.gather(*(loop(connect, until) for _ in range(4)))
        assert 4 <= node.attempts <= 15, "0.01 + 0.02 + 0.04 and then every 0.08 seconds, for all four together"
        node.there, node.attempts = True, 0
        found = [await connect(1), await connect(1)]
        assert found == [node, node]
        assert node.attempts == 2, "once it is there nothing waits"
        assert await connect(2) is node, "nor does another"

    asyncio.run(scenario())


def test_an_attempt_that_is_given_up_leaves_it_to_the_next_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """aiokafka cancels its tasks in every rebalance: nobody else would ever try again."""
    monkeypatch.setattr(reconnecting, "FIRST_PAUSE", 0.01)

    async def scenario() -> None:
        node, entered = Node(), asyncio.Event()

        async def connect_or_wait(number: int) -> object | None:
            if entered.is_set() or node.attempts == 0:
                return await node.connect(number)
            entered.set()
            return await asyncio.Event().wait()

        connect = Reconnecting(connect_or_wait)
        assert await connect(1) is None
        given_up = asyncio.ensure_future(connect(1))
        await entered.wait()
        given_up.cancel()
        await asyncio.wait([given_up])
        node.there = True
        assert await connect(1) is node

    asyncio.run(scenario())
