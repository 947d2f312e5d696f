"""A job under kills around its outcome: the work may be done again, whoever asked has one outcome."""

from __future__ import annotations

import shutil
import signal
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.cli import verbwire
from tests.kit.cluster import Cluster
from tests.kit.samples.office.labels import CutLabels, CutReceipt
from tests.kit.subscribers import CATALOG, JOB, LABELS, SAMPLES, SCOPES
from tests.kit.worker import ProjectFolder
from verbwire import Accepted
from verbwire.client import Client, Connection
from verbwire.engine.transactions.failpoints import POINTS
from verbwire.names import Names
from verbwire.principal import Principal
from verbwire.subscribers.outcome_writer import KafkaOutcomes
from verbwire.wire.codec.topics import Codec
from verbwire.wire.records.outcomes import OUTCOME, OutcomeRecord
from verbwire.wire.registry.client import Registry

pytestmark = [pytest.mark.kafka, pytest.mark.chaos]

PARTITIONS = 2
RUNS = "runs.txt"
CODE = f"""
from pathlib import Path

from schemas.labels import CutLabels, CutReceipt, PrintLabels
from verbwire import Job, JobContext

labels = Job("{LABELS}")


@labels.handles
def cut(command: CutLabels, context: JobContext) -> CutReceipt:
    with Path("{RUNS}").open("a") as runs:
        runs.write(context.id + "\\n")
    return CutReceipt(batch_id=command.batch_id, labels=Path("{RUNS}").read_text().split().count(context.id))


@labels.handles
def print_labels(command: PrintLabels) -> None: ...
"""


class Office(ProjectFolder):
    """A project with one job, whose outcomes say how often the work was done."""

    def __init__(self, folder: Path, cluster: Cluster) -> None:
        self.names = Names("office", f"k{uuid.uuid4().hex[:8]}")
        super().__init__(folder, cluster, self.names)
        for each in ("schemas", "consumers", "streams"):
            shutil.rmtree(folder / each)
        shutil.copytree(SAMPLES / "labels", folder / "schemas/labels")
        (folder / "schemas/__init__.py").touch()
        self.write("pyproject.toml", '[tool.verbwire]\nproject = "office"\n')
        self.write("consumers/labels.py", CODE)
        self.environment |= {"VERBWIRE_PARTITIONS": str(PARTITIONS)}
        self.cluster = cluster
        deployed = verbwire(folder, "deploy", **self.environment)
        assert deployed.returncode == 0, deployed.stdout + deployed.stderr

    def client(self) -> Client:
        """A client that may have labels cut."""
        addresses = self.cluster.bootstrap, self.cluster.registry_url
        return Client(Connection(*addresses, self.names, CATALOG, Principal("tester", SCOPES)))

    def decided(self) -> list[str]:
        """The ids of all outcomes in the log."""
        log = self.names.outcomes(LABELS)
        kafka = {"bootstrap.servers": self.cluster.bootstrap}
        outcomes = KafkaOutcomes(kafka, self.names, self.names.group(JOB), "reader", log)
        codec = Codec(CATALOG, Registry(self.cluster.registry_url), self.names)
        decoder = codec.topic_decoder(log, OUTCOME.namespace, {OUTCOME.name: OutcomeRecord})
        found = [decoder.decode(value) for partition in range(PARTITIONS) for value, _ in outcomes.lines(partition)]
        return [each.command_id for each in found if isinstance(each, OutcomeRecord)]


@pytest.fixture
def office(cluster: Cluster, tmp_path: Path) -> Iterator[Office]:
    opened = Office(tmp_path, cluster)
    yield opened
    opened.kill()


def test_a_job_that_is_killed_around_its_outcome_has_one_for_who_asked(office: Office) -> None:
    commands = [CutLabels(batch_id="a", how=f"{number}") for number in range(len(POINTS) + 2)]
    with office.client() as client:
        asked = [client.ask(each, id=f"cut-{each.how}") for each in commands]
        client.flush()
        for point in POINTS:
            worker = office.start(JOB, VERBWIRE_CRASH_POINT=f"{point}:1")
            assert worker.process.wait(120) == -signal.SIGKILL, worker.said()[-2000:]
        office.start(JOB)
        outcomes = [each.result(120) for each in asked]
        runs = Counter((office.folder / RUNS).read_text().split())
        expected = [Accepted(reply=CutReceipt(batch_id="a", labels=runs[each.id])) for each in asked]
        assert (outcomes, max(runs.values()) > 1) == (expected, True)
        assert [client.ask(each, id=f"cut-{each.how}").result(30) for each in commands] == outcomes
    assert Counter(office.decided()) == Counter(each.id for each in asked)
