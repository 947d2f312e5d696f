"""The library under kills: books are lent, renewed, returned and forgotten while workers die at every step.

At the end the logs, read a second way, must tell a history that can be: each book out on one loan at a time, each
answer kept, each reminder sent once and written, none left out, each member's count right.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.findings import Findings
from tests.faults.harness import ROOT
from tests.faults.topics import Entry, Topics
from tests.kit.cluster import Cluster, eventually
from tests.kit.worker import ProjectFolder
from verbwire.engine.transactions.failpoints import POINTS
from verbwire.names import Names

pytestmark = [pytest.mark.kafka, pytest.mark.chaos]

FOLDERS = ("consumers", "streams")
SETTLED_SECONDS = 120.0
# Members who come back as long as the library is open. Some books are forgotten, every other one is renewed.
DESK = """
import json
import sys
import threading
from pathlib import Path

from schemas.books import AddBook, ReturnBook
from schemas.lending import RenewLoan, RequestLoan
from schemas.members import JoinLibrary
from schemas.reports import BuildLoanReport
from datetime import UTC, datetime
from verbwire import Accepted
from verbwire.client import Client
from verbwire.errors import UnavailableError

OPEN, MEMBERS, BOOKS = Path("open"), 6, 40
told, lock = {}, threading.Lock()


def ask(client, command, id):
    while True:
        try:
            outcome = client.ask(command, id=id).result(60)
            break
        except UnavailableError:  # by the same id it is the same command
            continue
    with lock:
        told[id] = type(outcome).__name__
    return isinstance(outcome, Accepted)


def visit(client, member):
    number = forgotten = 0
    while OPEN.exists():
        number += 1
        loan, book = f"{member}-{number}", f"{member}-{number % BOOKS}"
        if not ask(client, RequestLoan(loan_id=loan, book_id=book, member_id=member), f"request:{loan}"):
            continue
        if number % 2:
            ask(client, RenewLoan(loan_id=loan), f"renew:{loan}")
        if number % 3 == 0 and forgotten < 2:
            forgotten += 1
        else:
            ask(client, ReturnBook(book_id=book), f"return:{loan}")
        if number % 5 == 0:
            client.send(BuildLoanReport(report_id=loan, as_of=datetime.now(UTC)), id=f"report:{loan}").result(60)


with Client() as client:
    members = [f"m{number}" for number in range(MEMBERS)]
    for member in members:
        ask(client, JoinLibrary(member_id=member, name=member), f"join:{member}")
        for number in range(BOOKS):
            ask(client, AddBook(book_id=f"{member}-{number}", title="t", author="a"), f"add:{member}-{number}")
    threads = [threading.Thread(target=visit, args=(client, member)) for member in members]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
json.dump(told, sys.stdout)
"""


class Library(ProjectFolder):
    """A copy of the example, in which a book is due after four seconds, and reminders go out every two."""

    def __init__(self, folder: Path, cluster: Cluster, prefix: str) -> None:
        super().__init__(folder, cluster, Names("library", prefix))
        for each in ("schemas", "consumers", "streams"):
            shutil.rmtree(folder / each)
        shutil.copytree(ROOT / "examples/library", folder, dirs_exist_ok=True)
        self.rewrite("consumers/lending.py", "TERM = timedelta(days=14)", "TERM = timedelta(seconds=4)")
        self.rewrite("consumers/lending.py", "WEEK = timedelta(days=7)", "WEEK = timedelta(seconds=2)")
        # A letter still has its week: reminders that expire while workers are away are none that are lost.
        self.rewrite("consumers/lending.py", "expiring(WEEK, remind)", "expiring(timedelta(days=7), remind)")
        self.write("desk.py", DESK)
        self.topics = Topics(cluster.bootstrap, cluster.registry_url)
        self.prefix = prefix
        self.environment |= {
            "VERBWIRE_PARTITIONS": "3",
            "VERBWIRE_DATA": str(folder / "data"),
            "VERBWIRE_SCOPES": "books:write,members:write,loans:write,loans:read,reports:write",
        }

    def rewrite(self, file: str, before: str, after: str) -> None:
        """Change a file of the copy."""
        text = (self.folder / file).read_text()
        assert before in text, before
        self.write(file, text.replace(before, after))

    def desk(self) -> subprocess.Popen[str]:
        """Open the library: the desk works until `open` is gone, and then says what it was told."""
        (self.folder / "open").touch()
        return subprocess.Popen(
            [sys.executable, "desk.py"],
            cwd=self.folder,
            env=self._environment({}),
            stdout=subprocess.PIPE,
            text=True,
        )

    def read(self, topic: str) -> list[Entry]:
        """What a topic of the library holds."""
        return self.topics.read(f"{self.prefix}.library.{topic}")

    def messages(self, topic: str, name: str) -> list[dict[str, Any]]:
        """The messages of one type in it."""
        return [each.fields for each in self.read(topic) if each.name.endswith(f".{name}")]

    def letters(self) -> set[tuple[str, int]]:
        """The reminders that were written: of which loan, and the how many-eth."""
        names = [each.stem.rpartition("-") for each in (self.folder / "data/letters").glob("*.txt")]
        return {(loan, int(nth)) for loan, _, nth in names}


@pytest.fixture
def library(cluster: Cluster, unique: str, tmp_path: Path) -> Iterator[Library]:
    opened = Library(tmp_path, cluster, unique)
    yield opened
    opened.kill()


def forgotten(told: dict[str, str]) -> set[str]:
    """The loans that are out for good, by what the desk was told."""
    return accepted(told, "request") - accepted(told, "return")


def accepted(told: dict[str, str], what: str) -> set[str]:
    """The loans of which that was accepted."""
    return {id.partition(":")[2] for id, said in told.items() if id.startswith(what) and said == "Accepted"}


def reminded(library: Library) -> Counter[tuple[str, int]]:
    """How often each reminder was sent."""
    return Counter((each["loan_id"], each["nth"]) for each in library.messages("reminders.commands", "RemindMember"))


def check(library: Library, told: dict[str, str]) -> Findings:
    """Say what is wrong."""
    found = Findings()
    _books(library, told, found)
    _members(library, told, found)
    sent = reminded(library)
    found.require(set(sent.values()) == {1}, "reminders", f"sent more than once: {sent - Counter(sent.keys())}")
    found.require(library.letters() == {*sent}, "letters", f"{library.letters() ^ {*sent}} are sent or written alone")
    by_loan = defaultdict[str, list[int]](list)
    for loan, nth in sent:
        by_loan[loan].append(nth)
    for loan, numbers in by_loan.items():
        found.require(sorted(numbers) == [*range(1, len(numbers) + 1)], "reminders", f"of {loan}: {sorted(numbers)}")
    for group in ("books.aggregate", "members.aggregate", "lending", "loans", "members", "reminders", "reports"):
        letters = library.read(f"{group}.dead-letters")
        found.require(not letters, "dead-letter", f"{len(letters)} of {group}: {letters[:1]}")
    return found


def _books(library: Library, told: dict[str, str], found: Findings) -> None:
    """Each book is out on one loan at a time, and what the desk was told is what happened."""
    out, lent, returned, extended = dict[str, str](), Counter[str](), Counter[str](), Counter[str]()
    for each in library.read("books.events"):
        kind, book, loan = each.name.rpartition(".")[2], each.fields["book_id"], each.fields.get("loan_id", "")
        if kind == "BookLent":
            found.require(book not in out, "book", f"{book} is lent on {loan} while it is out on {out.get(book)}")
            out[book] = loan
            lent[loan] += 1
        elif kind in ("LoanExtended", "BookReturned"):
            found.require(out.get(book) == loan, "book", f"{kind} of {loan}, {book} is out on {out.get(book)}")
            (extended if kind == "LoanExtended" else returned)[loan] += 1
            if kind == "BookReturned":
                del out[book]
    for what, counted in (("request", lent), ("return", returned), ("renew", extended)):
        once = Counter(dict.fromkeys(accepted(told, what), 1))
        found.require(counted == once, what, f"{(counted - once) + (once - counted)} differ from what was told")
    found.require({*out.values()} == forgotten(told), "out", f"{ {*out.values()} ^ forgotten(told) }")


def _members(library: Library, told: dict[str, str], found: Findings) -> None:
    """Whoever has books is counted for just those."""
    counted = Counter(each["loan_id"] for each in library.messages("members.events", "LoanAdmitted"))
    counted.subtract(each["loan_id"] for each in library.messages("members.events", "LoanReleased"))
    held = {loan for loan, books in counted.items() if books}
    found.require(set(counted.values()) <= {0, 1}, "members", f"counted {counted.most_common(2)}")
    found.require(held == forgotten(told), "members", f"{held ^ forgotten(told)}")


def test_the_library_keeps_its_books_though_its_workers_are_killed_at_every_step(library: Library) -> None:
    deployed = library.run("deploy")
    assert deployed.returncode == 0, deployed.stdout + deployed.stderr
    desk = library.desk()
    try:
        other = library.start(*FOLDERS, name="w2").ready()
        for point in POINTS:
            dying = library.start(*FOLDERS, name="w1", VERBWIRE_CRASH_POINT=f"{point}:25")
            assert dying.ends(None, 120)[0] == -signal.SIGKILL, dying.said()[-3000:]
        library.start(*FOLDERS, name="w1").ready()
        other.ends(signal.SIGKILL, 10)
        other = library.start(*FOLDERS, name="w2").ready()
        (library.folder / "open").unlink()
        told: dict[str, str] = json.loads(desk.communicate(timeout=180)[0])
    finally:
        desk.kill()
    late = {(loan, nth) for loan in forgotten(told) for nth in (1, 2, 3)}
    assert len(late) >= 9, told
    other.until(lambda: late <= library.letters(), SETTLED_SECONDS)
    settled(library, told)
    _, table = other.get("/tables/library.loans?page_size=1000")
    wanted = {loan: "OUT" if loan in forgotten(told) else "RETURNED" for loan in accepted(told, "request")}
    found = {row["loan_id"]: row["status"] for row in table["rows"]}
    assert found.items() <= wanted.items(), table
    assert len(found) == min(len(wanted), 1000)
    reports = [each["report_id"] for each in library.messages("reports.commands", "BuildLoanReport")]
    assert len(reports) == len({*reports}) > 0
    written = library.folder / "data/reports"
    eventually(lambda: {each.stem for each in written.glob("*.csv")} == {*reports}, SETTLED_SECONDS)


def settled(library: Library, told: dict[str, str]) -> None:
    """Wait until nothing is wrong any more."""
    try:
        eventually(lambda: not check(library, told), SETTLED_SECONDS, every=1.0)
    except AssertionError as error:
        raise AssertionError(f"{check(library, told)}") from error
