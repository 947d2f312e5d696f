"""A process under kills at every step of a transaction: deadlines fire once, answers are given once, ends are ends."""

from __future__ import annotations

import json
import shutil
import signal
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from confluent_kafka import Consumer, TopicPartition

from tests.kit import reminders
from tests.kit.cli import library, verbwire
from tests.kit.cluster import Cluster, eventually
from tests.kit.contract_projects import record
from tests.kit.reminders import REMIND, REMINDED, REMINDERS
from tests.kit.worker import SECRET, ProjectFolder, Running
from verbwire.engine.transactions.failpoints import POINTS
from verbwire.names import Names
from verbwire.security.tokens import mint_token

pytestmark = [pytest.mark.kafka, pytest.mark.chaos]

REQUEST = record(
    "RequestLoan", {"loan_id": "string"}, namespace="library.loans", kind="command", key="loan_id", requires=[]
)
LENDING = record("Lending", {"loan_id": "string"}, namespace="library.lending", kind="state", key="loan_id")
CODE = """
from datetime import timedelta

from schemas.lending import Lending
from schemas.loans import RequestLoan
from schemas.reminders import RemindReader
from verbwire import Accepted, Deadline, Outcome, Process

lending = Process("library.lending", state=Lending, sends=[RemindReader])


@lending.receives
def requested(state: Lending | None, command: RequestLoan):
    after = timedelta(hours=1) if command.loan_id.startswith("long") else timedelta(milliseconds=700)
    return Lending(loan_id=command.loan_id), Deadline("back", after=after)


@lending.due("back")
def due(state: Lending):
    return state, RemindReader(loan_id=state.loan_id)


@lending.outcome_of(RemindReader)
def answered(state: Lending | None, outcome: Outcome):
    return (None, Accepted()) if state else None


@lending.cancelled
def cancelled(state: Lending, reason: str):
    return state, RemindReader(loan_id=state.loan_id), Deadline.clear("back")
"""
PARTITIONS = 3
LOANS = 12  # asked for before each kill


class Lending(ProjectFolder):
    """The project, and its one worker, which is killed again and again."""

    def __init__(self, folder: Path, cluster: Cluster, names: Names) -> None:
        super().__init__(folder, cluster, names)
        for each in ("schemas", "consumers", "streams"):
            shutil.rmtree(folder / each)
        library(folder, REQUEST, LENDING, REMIND, REMINDED, REMINDERS)
        shutil.rmtree(folder / "streams")
        self.write("consumers/loans.py", CODE)
        self.write(reminders.FILE, reminders.CODE)
        self.cluster, self.names = cluster, names
        self.environment |= {"VERBWIRE_PARTITIONS": str(PARTITIONS)}

    def said(self, *arguments: str) -> Any:
        ran = verbwire(self.folder, *arguments, **self.environment)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    def total(self) -> dict[str, int]:
        """How many instances are open."""
        found: dict[str, int] = json.loads(self.said("processes", "list", "--json"))["total"]
        return found

    def ask(self, worker: Running, loans: list[str]) -> None:
        """Ask over HTTP and wait for nobody."""
        token = mint_token(SECRET, "tests", ())
        for loan in loans:
            answer = httpx.post(
                f"{worker.url()}/commands/library.loans.RequestLoan",
                json={"loan_id": loan},
                headers={"Authorization": f"Bearer {token}", "Idempotency-Key": loan, "Prefer": "respond-async"},
                timeout=30,
            )
            assert answer.status_code == 202, answer.text

    def read(self, topic: str) -> list[tuple[bytes, dict[str, bytes]]]:
        """All committed records of a topic: key and headers."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.cluster.bootstrap,
                "group.id": uuid.uuid4().hex,
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
            }
        )
        consumer.assign([TopicPartition(topic, partition, 0) for partition in range(PARTITIONS)])
        found, ends = [], 0
        while ends < PARTITIONS:
            message = consumer.poll(5)
            assert message is not None
            if message.error():
                ends += 1
            else:
                found.append((message.key(), dict(message.headers() or ())))
        consumer.close()
        return found


@pytest.fixture
def lending(cluster: Cluster, tmp_path: Path) -> Iterator[Lending]:
    names = Names("library", prefix=f"k{uuid.uuid4().hex[:8]}")
    project = Lending(tmp_path, cluster, names)
    project.said("schemas", "generate")
    project.said("deploy")
    yield project
    project.kill()


def test_process_deadlines_answers_and_cancellations_happen_once_whatever_is_killed(lending: Lending) -> None:
    loans: list[str] = []
    for number, point in enumerate(POINTS):
        worker = lending.start("library.lending", "library.reminders.aggregate", name="w1").ready()
        mine = [f"{'long' if each % 4 == 0 else 'short'}-{number}-{each}" for each in range(LOANS)]
        lending.ask(worker, mine)
        loans += mine
        worker.ends(signal.SIGTERM, 30)
        for each in mine:
            if each.startswith("long"):
                lending.said("processes", "cancel", "library.lending", each, "--why", "burnt")
        lending.environment["VERBWIRE_CRASH_POINT"] = f"{point}:{1 + number % 3}"
        crashing = lending.start("library.lending", "library.reminders.aggregate", name="w1")
        assert crashing.process.wait(60) == -signal.SIGKILL, crashing.said()[-2000:]
        del lending.environment["VERBWIRE_CRASH_POINT"]
    worker = lending.start("library.lending", "library.reminders.aggregate", name="w1").ready()
    eventually(lambda: lending.total() == {"library.lending": 0}, 60)
    worker.ends(signal.SIGTERM, 30)
    reminders = Counter(key for key, _ in lending.read(lending.names.commands("library.reminders")))
    assert reminders == Counter(each.encode() for each in loans)
    answers = Counter(headers["ce_causationid"] for _, headers in lending.read(lending.names.outcomes("library.loans")))
    assert (len(answers), {*answers.values()}) == (len(loans), {1})
