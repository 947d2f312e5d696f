"""A subscriber as its user runs it: a worker process that is killed, and the command line for its dead letters."""

from __future__ import annotations

import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from tests.cluster import Cluster
from tests.platform.engine_kit import Bank
from tests.platform.engine_samples.jars import CoinsPut
from tests.platform.worker_kit import Branch, branch

pytestmark = pytest.mark.kafka

GROUP = "bank.marks"
CODE = """
import time
from datetime import timedelta
from pathlib import Path
from schemas.jars import CoinsPut
from verbwire import EffectContext, Subscriber

marks = Subscriber("bank.marks", retries=0)

@marks.on
def mark(event: CoinsPut, context: EffectContext) -> None:
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
    try:
        with branch(tmp_path, shop) as opened:
            opened.write("consumers/marks.py", CODE)
            for file in ("hang", "raise"):
                opened.write(file, "")
            deployed = opened.run("deploy", VERBWIRE_PARTITIONS="1")
            assert deployed.returncode == 0, deployed.stderr
            yield opened
    finally:
        group = shop.names.group(GROUP)
        admin = AdminClient(shop.kafka)
        for future in admin.delete_topics([shop.names.retries(group), shop.names.dead_letters(group)]).values():
            future.result()
        shop.close()


def test_a_killed_worker_does_it_again_with_the_same_key_and_letters_are_handed_back(project: Branch) -> None:
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
    worker.until(lambda: "went to the dead letters" in worker.said())
    assert worker.get("/jobs") == (200, {"jobs": []})
    assert worker.get("/jobs", ())[0] == 403

    listed = project.run("dead-letters", "list")
    assert "letter-1" in listed.stdout, listed.stderr
    assert "failed" in listed.stdout
    shown = project.run("dead-letters", "show", GROUP, "0/0")
    assert "cannot mark it" in shown.stdout, shown.stderr
    assert '{"jar_id":"j","pence":1,"how":"raises"}' in shown.stdout
    (project.folder / "raise").unlink()
    handed = project.run("dead-letters", "retry", GROUP, "--all")
    assert handed.stdout == f"handed back 1 of {GROUP}\n", handed.stderr
    worker.until(lambda: marks.read_text().count("\n") == 4)
    assert marks.read_text().splitlines()[3] == raised
    code, _ = worker.ends(signal.SIGTERM, 10)
    assert code == 0
