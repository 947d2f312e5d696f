"""Faust's group as the engine uses it: what a rebalance does to an assignment that is still being prepared."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.platform import engine_jars
from tests.platform.engine_kit import CATALOG, Bank
from verbwire.engine.build import table_plan
from verbwire.engine.core import Core
from verbwire.engine.view import TableView
from verbwire.errors import FencedError
from verbwire.metrics import Metrics

if TYPE_CHECKING:
    from verbwire.engine.faust_app import GroupApp


def app_of(bank: Bank, folder: Path, group: str, worker: str = "w1", **options: Any) -> GroupApp:
    """The Faust app of a table in a group that no other test uses, not started."""
    from verbwire.engine.faust_app import group_app

    declared = engine_jars.table()
    plan = dataclasses.replace(table_plan(declared, bank.codec, bank.partitions), group=group)
    view = TableView(group, CATALOG.of(declared.row), bank.partitions)
    core = Core(plan, bank.kafka, bank.names, worker, folder / worker, view, Metrics().group(group))
    return group_app(core, bank.cluster.bootstrap, worker, folder / worker, options)


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(scenario, 60))


def test_an_assignment_that_is_revoked_while_it_is_sought_is_never_read(bank: Bank, tmp_path: Path) -> None:
    """Its fetch would sleep through the rebalance and take the records that the next assignment has just sought."""

    async def scenario() -> None:
        consumer: Any = app_of(bank, tmp_path, "revoked-early").consumer
        consumer._thread.thread_loop.close()  # it is never started
        consumer.capture(7, "member")
        prepared = consumer.next_assignment
        consumer.forget_assignment()  # aiokafka's thread; the main loop is in the midst of begin()
        with pytest.raises(FencedError):
            await consumer.begin(prepared, {})
        assert not prepared.live
        assert consumer._assignment is None

    run(scenario())
