"""A subscriber as its user runs it: a worker process that is killed, and the command line for its dead letters."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx2 as httpx
import pytest
from confluent_kafka.admin import AdminClient

from tests.kit.bank import CATALOG, NAMESPACE, Bank
from tests.kit.cluster import Cluster
from tests.kit.samples.bank.jars import CoinsPut
from tests.kit.worker import SECRET, Branch, Running, branch
from verbwire.deploy.deployment import deploy
from verbwire.deploy.group_plan import GroupPlan
from verbwire.deploy.target import Target
from verbwire.messages import Kind
from verbwire.security.tokens import OPERATOR, mint_token

pytestmark = pytest.mark.kafka

GROUP = "bank.marks"
CODE = """
import time
from datetime import timedelta
from pathlib import Path
from schemas.jars import CoinsPut
from verbwire import SubscriberContext, Subscriber

marks = Subscriber("bank.marks", retries=0)

@marks.on
def mark(event: CoinsPut, context: SubscriberContext) -> None:
    with Path("marks").open("a") as file:
        file.write(f"{event.how} {context.idempotency_key}\\n")
    if event.how == "hangs" and Path("hang").exists():
        time.sleep(600)
    if event.how == "raises" and Path("raise").exists():
        raise RuntimeError("cannot mark it")
"""


@pytest.fixture
def project(cluster: Cluster, tmp_path: Path) -> Iterator[Branch]:
    shop = Bank(cluster, f"m{uuid.uuid4().hex[:10]}", 1)
    target = Target(cluster.bootstrap, cluster.registry_url, shop.names, partitions=1)
    created = deploy(target, CATALOG, [GroupPlan(GROUP, Kind.EVENT, (NAMESPACE,), requeues=True)]).topics
    try:
        with branch(tmp_path, shop) as opened:
            opened.write("consumers/marks.py", CODE)
            for file in ("hang", "raise"):
                opened.write(file, "")
            yield opened
    finally:
        admin = AdminClient(shop.kafka)
        for future in admin.delete_topics([*created]).values():
            future.result()
        shop.close()


def command_line(project: Branch, *commands: Sequence[str]) -> str:
    """What several `verbwire dead-letters` print; in one process, since starting one takes the time."""
    code = "\n".join(
        (
            "import json, sys",
            "from verbwire.cli import app",
            "for each in json.loads(sys.argv[1]): app(['dead-letters', *each], standalone_mode=False)",
        )
    )
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(commands)],
        cwd=project.folder,
        env={**os.environ, **project.environment, "COLUMNS": "1000"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def requeued_by_the_console(project: Branch, worker: Running) -> None:
    """One more dead letter, handed back where operators click."""
    marks, olga = project.folder / "marks", {"Authorization": f"Bearer {mint_token(SECRET, 'olga', [OPERATOR])}"}
    (project.folder / "raise").touch()
    project.bank.send(CoinsPut(jar_id="j", pence=1, how="raises"), 0, id="letter-2")
    worker.until(lambda: marks.read_text().count("\n") == 5)
    (project.folder / "raise").unlink()
    with httpx.Client(base_url=worker.url(), headers=olga, timeout=20) as console:

        def requeued() -> int:
            answer = console.post(f"/console/api/dead-letters/{GROUP}", json={"places": None}).json()
            assert answer["left"] == []
            return int(answer["requeued"])

        worker.until(lambda: requeued() == 1)
        worker.until(lambda: marks.read_text().count("\n") == 6)
        *_, raised, again = marks.read_text().splitlines()
        assert raised == again
        assert console.get("/console/api/dead-letters").json()["groups"][0]["total"] == 0
        assert requeued() == 0
        desk = f"/console/api/dead-letters/{GROUP}"
        found = console.post(f"{desk}/find", json={"where": {"type": "CoinsPut", "reason": "failed"}, "again": True})
        assert (found.json()["total"], found.json()["letters"][0]["id"]) == (2, "letter-2")
        assert console.post(f"{desk}/find", json={"where": {"reason": "ahead"}, "again": True}).json()["total"] == 0
        first = {"places": None, "again": True, "dry_run": True, "as_of": "0/1"}  # the second came after that
        assert console.post(desk, json=first).json()["would_requeue"] == 1
        assert console.post(f"{desk}/discard", json={"places": None, "why": "none are left"}).json()["discarded"] == 0
        for path, body in (
            ("", {"places": None, "where": {"resaon": "failed"}}),  # else it would be all of them
            ("/discard", {"places": None}),
            ("/find", {"limit": 0}),
        ):
            assert console.post(desk + path, json=body).json()["code"] == "bad_body"


def discarded_at_the_command_line(project: Branch, worker: Running) -> None:
    """One more that is exported and discarded; who did it, and why, can be read."""
    marks = project.folder / "marks"
    (project.folder / "raise").touch()
    project.bank.send(CoinsPut(jar_id="j", pence=1, how="raises"), 0, id="letter-3")
    worker.until(lambda: marks.read_text().count("\n") == 7)
    worker.until(lambda: "letter-3" in command_line(project, ["list", GROUP, "--type", "CoinsPut", "--since", "-1h"]))
    said = command_line(
        project,
        ["export", GROUP, "--reason", "failed"],
        ["retry", GROUP, "--all", "--text", "cannot mark it", "--dry-run"],
        ["discard", GROUP, "--all", "--why", "sent by hand", "--as-of", "0/5"],
        ["list", GROUP],
        ["show", GROUP, "0/4"],
    )
    exported = json.loads(said.partition("\n")[0])
    assert (exported["place"], exported["id"], exported["message"]["how"]) == ("0/4", "letter-3", "raises")
    assert base64.b64decode(exported["key"]) == b"j"
    assert f"1 of {GROUP} would be requeued; exactly these: the same with --as-of 0/5" in said
    assert f"discarded 1 of {GROUP}\nno dead letters\n" in said
    assert re.search(r"discarded: \S+ \S+Z by \S+: sent by hand", said)


def test_a_killed_worker_redelivers_with_the_same_idempotency_key_and_dead_letters_are_requeued(
    project: Branch,
) -> None:
    marks, bank = project.folder / "marks", project.bank
    worker = project.start(GROUP)
    bank.send(CoinsPut(jar_id="j", pence=1, how="hangs"), 0)
    worker.until(lambda: marks.exists() and marks.read_text().count("\n") == 1)
    worker.ends(signal.SIGKILL, 10)
    (project.folder / "hang").unlink()
    bank.send(CoinsPut(jar_id="j", pence=1, how="raises"), 0, id="letter-1")

    worker = project.start(GROUP)
    worker.until(lambda: marks.read_text().count("\n") == 3)
    first, second, raised = marks.read_text().splitlines()
    assert first == second
    assert first.startswith("hangs ")
    worker.until(lambda: "goes to the dead letters" in worker.said())
    assert worker.get("/jobs") == (200, {"jobs": [], "complete": True})
    assert worker.get("/jobs", ())[0] == 403

    (project.folder / "raise").unlink()
    said = command_line(project, ["list"], ["show", GROUP, "0/0"], ["retry", GROUP, "--all"], ["list"])
    listed, shown, handed = said.partition("place: ")[0], *said.partition("place: ")[2].split("requeued ")
    assert "letter-1" in listed
    assert "failed" in listed
    assert "cannot mark it" in shown
    assert '{"jar_id":"j","pence":1,"how":"raises"}' in shown
    assert handed == f"1 of {GROUP}\nno dead letters\n"
    worker.until(lambda: marks.read_text().count("\n") == 4)
    assert marks.read_text().splitlines()[3] == raised
    requeued_by_the_console(project, worker)
    discarded_at_the_command_line(project, worker)
    code, _ = worker.ends(signal.SIGTERM, 10)
    assert code == 0
