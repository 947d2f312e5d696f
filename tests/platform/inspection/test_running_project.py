"""What operators ask of a project that runs, well and broken: status, lag, tables, processes, doctor, by command line.

A library lends books and reminds readers: an aggregate, a table, a process, and the receiver of what the process sends.
"""

from __future__ import annotations

import json
import shutil
import signal
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions

from tests.kit import reminders
from tests.kit.cli import BORROW, BORROWED, LENT, LOANS, STATE, Said, library, verbwire
from tests.kit.cluster import Cluster, delete, eventually, set_config
from tests.kit.contract_projects import record
from tests.kit.reminders import REMIND, REMINDED, REMINDERS
from tests.kit.worker import SECRET, ProjectFolder, Running
from verbwire.names import Names
from verbwire.security.tokens import mint_token
from verbwire.wire.partitioner import partition_of

WATCHED = record("WatchedLoan", {"loan_id": "string"}, namespace="library.watching", kind="state", key="loan_id")
REMINDING = """
from schemas.loans import BookBorrowed
from schemas.reminders import RemindReader
from schemas.watching import WatchedLoan
from verbwire import Outcome, Process

watching = Process("library.watching", state=WatchedLoan, sends=[RemindReader])


@watching.on(key="loan_id")
def lent(state: WatchedLoan | None, event: BookBorrowed) -> tuple[WatchedLoan, RemindReader]:
    return WatchedLoan(loan_id=event.loan_id), RemindReader(loan_id=event.loan_id)


@watching.outcome_of(RemindReader)
def answered(state: WatchedLoan | None, outcome: Outcome) -> None:
    return None
"""
LENT_TABLE = """
from schemas.loans import BookBorrowed, LentRow
from verbwire import Table

lent = Table("library.lent", row=LentRow, parking=None)


@lent.on
def borrowed(row: LentRow | None, event: BookBorrowed) -> LentRow:
    if event.loan_id == "burnt":
        raise RuntimeError("no such book")
    return LentRow(loan_id=event.loan_id)
"""
PARTITIONS = 2


class Library(ProjectFolder):
    """The project, two workers, and what breaks it."""

    def __init__(self, folder: Path, cluster: Cluster, names: Names) -> None:
        super().__init__(folder, cluster, names)
        for each in ("schemas", "consumers", "streams"):
            shutil.rmtree(folder / each)
        library(folder, BORROW, BORROWED, STATE, LENT, REMIND, REMINDED, REMINDERS, WATCHED)
        self.write("consumers/loans.py", LOANS)
        self.write("consumers/reminding.py", REMINDING)
        self.write(reminders.FILE, reminders.CODE)
        self.write("streams/reports/lent.py", LENT_TABLE)
        self.cluster, self.names = cluster, names
        self.environment |= {"VERBWIRE_PARTITIONS": str(PARTITIONS)}
        self.hosted: Running | None = None
        self.others: Running | None = None
        self.admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
        self.producer = Producer({"bootstrap.servers": cluster.bootstrap})

    def begin(self) -> None:
        for arguments in (("schemas", "generate"), ("deploy",)):
            ran = self.said(*arguments)
            assert ran.returncode == 0, ran.stderr
        self.hosted = self.start("library.loans.aggregate", "library.lent", "library.watching", name="w1")
        self.others = self.start("library.reminders.aggregate", name="w2")
        self.hosted.ready()
        self.others.ready()

    def extend_the_contract(self) -> None:
        """Give a row a field more, here, and not where it is deployed."""
        field = {"name": "note", "type": ["null", "string"], "default": None}
        contract = {**LENT, "fields": [*LENT["fields"], field]}
        self.write("schemas/loans/LentRow.avsc", json.dumps(contract))
        assert self.said("schemas", "generate").returncode == 0

    def said(self, *arguments: str) -> Said:
        return verbwire(self.folder, *arguments, **self.environment)

    def asked(self, *arguments: str) -> Any:
        ran = self.said(*arguments, "--json")
        assert ran.stdout.strip(), ran.stderr
        return json.loads(ran.stdout)

    def borrow(self, *loans: str) -> None:
        """Send commands over HTTP; each has its outcome when this returns."""
        assert self.hosted is not None
        token = mint_token(SECRET, "tests", ())
        for loan in loans:
            answer = httpx.post(
                f"{self.hosted.url()}/commands/library.loans.BorrowBook",
                json={"loan_id": loan},
                headers={"Authorization": f"Bearer {token}", "Idempotency-Key": loan, "Prefer": "wait=20"},
                timeout=30,
            )
            assert answer.status_code == 200, answer.text

    def at_the_console(self, what: str) -> Any:
        """Return what the console is told."""
        assert self.hosted is not None
        status, body = self.hosted.get(f"/console/api/{what}")
        assert status == 200, body
        return body

    def break_it(self) -> None:
        """End the receiver of reminders, and lend a book that the table cannot take; nothing where that is done."""
        if self.others is None:
            return
        self.others.ends(signal.SIGTERM, 30)
        self.others = None
        self.borrow("burnt")
        eventually(lambda: self.group("library.lent")["stopped"])

    def group(self, name: str) -> Any:
        """What status tells of a group."""
        return next(each for each in self.asked("status")["groups"] if each["group"] == name)

    def produce(self, topic: str, partition: int, key: bytes | None, value: bytes) -> None:
        self.producer.produce(topic, value, key, partition=partition)
        self.producer.flush(10)


@pytest.fixture(scope="module")
def lending(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    names = Names("library", f"i{uuid.uuid4().hex[:10]}")
    project = Library(tmp_path_factory.mktemp("library"), cluster, names)
    try:
        project.begin()
        yield project
    finally:
        project.kill()
        left = [each for each in project.admin.list_topics(timeout=10).topics if each.startswith(f"{names.prefix}.")]
        delete(cluster.bootstrap, left)


def test_status_and_doctor_find_nothing_where_all_is_well(lending: Library) -> None:
    lending.borrow("dune", "emma")
    eventually(lambda: lending.asked("lag")["groups"][0]["records"] == 0)
    eventually(lambda: lending.asked("processes", "list")["total"] == {"library.watching": 0})
    found = lending.asked("status")
    assert (found["well"], found["oddities"], found["unknown"]) == (True, [], {})
    assert {each["name"]: each["owned"] for each in found["workers"]} == {"w1": 3 * PARTITIONS, "w2": PARTITIONS}
    assert lending.said("status").stdout.startswith("all is well\n")
    examined = lending.asked("doctor")
    of_others = [each for each in examined["diagnoses"] if each["check"] != "this machine"]  # its disk may be full
    assert (of_others, examined["unknown"]) == ([], {})
    assert "by the compiled codec" in examined["facts"]["codec"] or "fastavro" in examined["facts"]["codec"]


def test_status_lag_tables_and_processes_tell_what_stands_still_and_why(lending: Library) -> None:
    lending.break_it()
    told = lending.said("status")
    assert told.returncode == 1, told.stdout
    first = told.stdout.splitlines()[0]
    assert first.startswith("STANDS STILL  library.lent: partition "), told.stdout
    assert "RuntimeError" in first
    assert "STANDS STILL  library.reminders.aggregate: no worker that lives hosts it" in told.stdout

    behind = {each["group"]: each for each in lending.asked("lag")["groups"]}
    assert behind["library.lent"]["records"] == 2  # and the marker of its transaction
    assert behind["library.lent"]["seconds"] > 0
    assert behind["library.reminders.aggregate"]["records"] == 2
    assert behind["library.loans.aggregate"]["records"] == 0

    listed = lending.asked("processes", "list")
    (instance,) = listed["instances"]
    on_the_console = lending.at_the_console("processes")
    assert on_the_console["total"] == {"library.watching": 1}
    assert [each["waits_for"][0]["id"] for each in on_the_console["instances"]] == [instance["waits_for"][0]["id"]]
    assert (instance["key"], instance["state"]) == ("burnt", {"loan_id": "burnt"})
    (waiting,) = instance["waits_for"]
    assert waiting["command"] == "library.reminders.RemindReader"
    assert [(each["what"], each["instances"]) for each in listed["waiting"]] == [
        ("outcome of library.reminders.RemindReader", 1)
    ]
    assert lending.asked("processes", "list", "--waits-for", "RemindReader", "--older", "9999")["instances"] == []
    (whole,) = lending.asked("processes", "show", "library.watching", "burnt")["instances"]
    (sent,) = whole["waits_for"]
    assert (sent["id"], [each["what"] for each in whole["history"]]) == (waiting["id"], ["library.loans.BookBorrowed"])
    assert sent["place"].startswith(f"{lending.names.commands('library.reminders')}/")
    shown = lending.said("processes", "show", "library.watching", "burnt").stdout
    assert "waits for outcome of RemindReader" in shown
    assert lending.said("processes", "show", "library.watching", "dune").returncode == 1

    (table,) = [each for each in lending.asked("tables")["tables"] if each["name"] == "library.lent"]
    assert len(table["stopped"]) == 1
    assert json.loads(lending.said("tables", "lent", "--key", "dune", "--changelog").stdout) == {"loan_id": "dune"}
    members = lending.asked("describe", "library.loans.aggregate")["described"][0]["deployed"]["members"]
    assert [each["worker"] for each in members] == ["w1"]


def test_doctor_finds_a_dozen_planted_faults_and_says_what_to_do(lending: Library) -> None:
    names = lending.names
    lending.break_it()  # 1: a partition that is stopped, 2: a group without an owner
    commands, events = names.commands("library.loans"), names.events("library.loans")
    key = next(b"%d" % n for n in range(99) if partition_of(b"%d" % n, PARTITIONS) == 0)
    lending.produce(commands, 0, key, b"not Avro")  # 3: a dead letter
    lending.produce(events, 1, key, b"not Avro")  # 4: a key in another's partition
    set_config(lending.cluster.bootstrap, events, "retention.ms", "3600000")  # 5
    group = names.group("library.reminders.aggregate")
    changelog, outcomes = names.changelog(group, "state"), names.outcomes("library.reminders")
    set_config(lending.cluster.bootstrap, changelog, "cleanup.policy", "delete")  # 6
    replicas = len(lending.admin.list_topics(outcomes, timeout=10).topics[outcomes].partitions[0].replicas)
    set_config(lending.cluster.bootstrap, outcomes, "min.insync.replicas", str(replicas + 1))  # 7
    delete(lending.cluster.bootstrap, [names.dead_letters(group)])  # 8
    stranger = Consumer({"bootstrap.servers": lending.cluster.bootstrap, "group.id": f"{names.prefix}.stranger"})
    with closing(stranger):
        stranger.commit(offsets=[TopicPartition(commands, 0, 1)], asynchronous=False)  # 9: a second receiver
    hanging = Producer({"bootstrap.servers": lending.cluster.bootstrap, "transactional.id": f"{names.prefix}-hangs"})
    hanging.init_transactions(20)
    hanging.begin_transaction()
    hour_ago = int((time.time() - 3600) * 1000)
    hanging.produce(names.repartition(names.group("library.watching"), "state"), b"x", b"x", timestamp=hour_ago)  # 10
    assert hanging.flush(20) == 0
    lending.produce(names.workers(), 0, b"stranger", b"signed by nobody")  # 11
    lending.admin.create_partitions([NewPartitions(names.replies(), 13)])[names.replies()].result()  # 12
    lending.extend_the_contract()  # 13: not registered, 14: not what the worker runs

    eventually(lambda: lending.group("library.loans.aggregate")["dead_letters"])
    ran = lending.said("doctor", "--json")
    assert ran.returncode == 1, ran.stderr
    found = json.loads(ran.stdout)["diagnoses"]
    told = {(each["check"], each["about"]): each for each in found}
    texts = "\n".join(each["what"] for each in found)
    for check, about, what in (
        ("what runs", "library.lent", "stopped: "),
        ("what runs", "library.reminders.aggregate", "no worker that lives"),
        ("what runs", "library.loans.aggregate", "1 dead letters"),
        ("key placement", events, "1 of the newest records lie wrong: 1/"),
        (
            "brokers",
            outcomes,
            f"min.insync.replicas is {replicas + 1}, a partition has {replicas} replicas: nobody can",
        ),
        ("topics", names.dead_letters(group), "there is no such topic"),
        ("one receiver", commands, f"the group {names.prefix}.stranger receives these commands, too"),
        ("what runs", "stranger", "not believed"),
        ("schemas", names.subject("library.loans.LentRow"), "not registered in the version that is here"),
        ("workers", "w1", "it runs other contracts"),
    ):
        assert what in told[check, about]["what"], (check, about, texts)
    assert f"topic {events} has retention.ms=3600000, planned is -1" in texts
    assert f"topic {changelog} has cleanup.policy=delete, not compact" in texts
    assert f"topic {names.replies()} has 13 partitions, not 12" in texts
    assert [each["what"] for each in found if each["check"] == "transactions" and " s: " in each["what"]]
    assert all(each["do"] for each in found)
    hanging.abort_transaction(20)
