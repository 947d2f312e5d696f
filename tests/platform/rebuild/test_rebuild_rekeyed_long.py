"""Windows, other keys and both are rebuilt to the same rows, though partitions are read at different speeds."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.kit.bank import Bank
from tests.kit.bank_tills import GROUPS
from tests.kit.cluster import Cluster
from tests.kit.rebuilds import close_with_all
from tests.kit.samples.bank.tills import CoinsMoved
from tests.kit.worker import branch
from verbwire.wire.partitioner import partition_of

pytestmark = [pytest.mark.kafka, pytest.mark.chaos]

PARTITIONS = 4
TABLES = ("bank.owners", "bank.minutes", "bank.own_minutes")
# The events are of more than an hour, and come within seconds of Kafka's time, by which a rebuild orders them: to half
# of the lateness. So that must be more than they span, or luck decides which are late. test_rebuild_time_order.py sees
# to the order.
STREAMS = """
from datetime import timedelta
from msgspec.structs import replace
from schemas.tills import CoinsMoved, MinuteRow, OwnerRow
from verbwire import Context, Table, Window

MINUTE = Window(timedelta(minutes=1), lateness=timedelta(hours=2), retention=timedelta(days=30))
owners = Table("bank.owners", row=OwnerRow)
minutes = Table("bank.minutes", row=MinuteRow, window=MINUTE)
own_minutes = Table("bank.own_minutes", row=MinuteRow, window=MINUTE)

@owners.rekeys
def owner(event: CoinsMoved) -> str | None:
    return event.owner

@owners.on
def moved(row: OwnerRow | None, event: CoinsMoved, context: Context) -> OwnerRow:
    row = row or OwnerRow(owner=event.owner or "")
    return replace(row, pence=row.pence + event.pence)

@own_minutes.rekeys
def owner_of(event: CoinsMoved) -> str | None:
    return event.owner

@minutes.on
def of_till(row: MinuteRow | None, event: CoinsMoved, context: Context) -> MinuteRow:
    row = row or MinuteRow(owner=event.till_id, minute=context.window)
    return replace(row, pence=row.pence + event.pence)

@own_minutes.on
def of_owner(row: MinuteRow | None, event: CoinsMoved, context: Context) -> MinuteRow:
    row = row or MinuteRow(owner=event.owner, minute=context.window)
    return replace(row, pence=row.pence + event.pence)
"""


def test_a_rebuild_of_windows_and_other_keys_makes_the_same_rows(cluster: Cluster, tmp_path: Path) -> None:
    bank = Bank(cluster, f"g{uuid.uuid4().hex[:10]}", PARTITIONS, GROUPS)
    began = datetime.now(UTC) - timedelta(days=1)
    try:
        with branch(tmp_path, bank) as project:
            project.write("streams/tills.py", STREAMS)
            assert project.run("deploy", VERBWIRE_PARTITIONS=str(PARTITIONS)).returncode == 0
            worker = project.start("streams").ready()
            for number in range(400):  # an hour and more, each till's in a partition of its own
                till, owner = f"till-{number % 7}", f"owner-{number % 3}"
                event = CoinsMoved(till_id=till, owner=owner, pence=1, moved_at=began + timedelta(seconds=10 * number))
                bank.send(event, partition_of(till.encode(), PARTITIONS))
            worker.until(lambda: _complete(worker))
            for table in TABLES:
                ran = project.run("rebuild", table)
                assert "0 added, 0 removed, 0 changed" in ran.stdout, (table, ran.stdout, ran.stderr[-2000:])
                for how in ("--switch", "--forget"):
                    ran = project.run("rebuild", table, how, "--yes")
                    assert ran.returncode == 0, (table, how, ran.stdout, ran.stderr[-2000:])
            worker.until(lambda: _complete(worker))
    finally:
        close_with_all(bank)


def _complete(worker: object) -> bool:
    status, body = worker.get("/tables/bank.owners")  # type: ignore[attr-defined]
    return bool(status == 200 and sum(row["pence"] for row in body["rows"]) == 400)
