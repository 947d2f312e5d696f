"""The outcomes of a job on a real broker: one for each command, whoever holds its partition, kept over restarts."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from confluent_kafka import KafkaException

from tests.kit.cluster import Cluster, eventually
from tests.kit.samples.office.labels import CutLabels, CutReceipt
from tests.kit.subscribers import JOB, LABELS, PARTITIONS, Depot, Seen
from verbwire import Accepted, Job, JobContext, Rejected
from verbwire.client.client import Client
from verbwire.engine.transactions.group_metadata import encode
from verbwire.errors import UnavailableError
from verbwire.subscribers.partition_state import PartitionInFlight
from verbwire.wire.partitioner import partition_of
from verbwire.wire.records.outcomes import OUTCOME, OutcomeRecord
from verbwire.worker.subscriber_group import SubscriberGroupHost

pytestmark = pytest.mark.kafka

Cut = Callable[[CutLabels, JobContext], CutReceipt | Rejected]


def job(cut: Cut, concurrency: int = 1) -> Job:
    group = Job(LABELS, concurrency=concurrency, retries=2, backoff=timedelta(milliseconds=10))

    @group.handles
    def handle(command: CutLabels, context: JobContext) -> CutReceipt | Rejected:
        return cut(command, context)

    return group


@pytest.fixture(scope="module")
def depot(cluster: Cluster) -> Iterator[Depot]:
    opened = Depot(cluster, f"t{uuid.uuid4().hex[:10]}")
    yield opened
    opened.close()


def decided(depot: Depot, hosted: SubscriberGroupHost) -> list[str]:
    """The ids of all outcomes in the log by now, those of earlier tests included, sorted."""
    log, writer = depot.names.outcomes(LABELS), hosted.outcomes
    assert writer is not None
    decoder = depot.codec.topic_decoder(log, OUTCOME.namespace, {OUTCOME.name: OutcomeRecord})
    found = [decoder.decode(value) for partition in range(PARTITIONS) for value, _ in writer.lines(partition)]
    return sorted(each.command_id for each in found if isinstance(each, OutcomeRecord))


def test_a_job_answers_once_for_each_id_and_again_to_who_asks_again(depot: Depot) -> None:
    seen = Seen()

    def cut(command: CutLabels, context: JobContext) -> CutReceipt | Rejected:
        seen.note(context.id)
        if command.how == "thick":
            return Rejected("too_thick", "by far")
        return CutReceipt(batch_id=command.batch_id, labels=len(seen.calls))

    group, thick = job(cut), CutLabels(batch_id="b", how="thick")
    with depot.open(group), Client(depot.connection) as later:
        asked = [depot.client.ask(each, id=each.batch_id) for each in (CutLabels(batch_id="a"), thick)]
        first = depot.host(group)
        outcomes = [each.result(30) for each in asked]
        assert {each.reply.labels for each in outcomes if isinstance(each, Accepted)} <= {1, 2}
        assert outcomes[1] == Rejected("too_thick", "by far")
        assert later.resume(asked[0].token or "").result(30) == outcomes[0]
        eventually(lambda: depot.committed(JOB, depot.commands) == 2)
        depot.stop(first, leave=True)
        second = depot.host(group, "w2")  # it knows them by the log
        again = [later.ask(CutLabels(batch_id="a"), id="a"), later.ask(thick, id="b")]
        other = later.ask(CutLabels(batch_id="a", how="other"), id="a")
        assert [each.result(30) for each in again] == outcomes
        assert getattr(other.result(30), "code", "") == "id_reused"
        assert (sorted(seen.calls), decided(depot, second)) == (["a", "b"], ["a", "b"])


def test_a_handler_whose_partition_was_given_away_has_no_outcome(depot: Depot) -> None:
    """Two commands are under way when a second worker takes over the partition of one of them."""
    seen, released = Seen(), threading.Event()

    def cutting(worker: int) -> Job:
        def cut(command: CutLabels, context: JobContext) -> CutReceipt:
            seen.note((worker, context.id))
            if worker == 1:
                released.wait(60)
            return CutReceipt(batch_id=command.batch_id, labels=worker)

        return job(cut, concurrency=2)

    batches = {partition_of(key.encode(), PARTITIONS): key for key in ("b", "c", "d", "e", "f", "g")}
    group = cutting(1)
    with depot.open(group):
        asked = {key: depot.client.ask(CutLabels(batch_id=key), id=f"own-{key}") for key in batches.values()}
        first = depot.host(group, "w1")
        seen.wait(2)
        second = depot.host(cutting(2), "w2")
        moved = seen.wait(3)[2][1].removeprefix("own-")
        assert asked[moved].result(30) == Accepted(reply=CutReceipt(batch_id=moved, labels=2))
        released.set()
        (kept,) = asked.keys() - {moved}
        assert asked[kept].result(30) == Accepted(reply=CutReceipt(batch_id=kept, labels=1))
        depot.stop(first, leave=True)
        its = [each for each in decided(depot, second) if each.startswith("own-")]
        assert its == [f"own-{key}" for key in sorted(asked)]


def test_an_outcome_is_refused_to_who_is_no_member_of_the_present_generation(depot: Depot) -> None:
    group = job(lambda command, _: CutReceipt(batch_id=command.batch_id, labels=1))
    with depot.open(group):
        hosted = depot.host(group)
        assert depot.client.ask(CutLabels(batch_id="d"), id="d").result(30) == Accepted(
            reply=CutReceipt(batch_id="d", labels=1)
        )
        (line,) = depot.records(depot.names.outcomes(LABELS), 1)
        before, writer = decided(depot, hosted), hosted.outcomes
        assert writer is not None
        stale = encode(depot.names.group(JOB), 1, "somebody", "w1")
        in_flight = PartitionInFlight(depot.commands, line.partition() or 0, lambda: stale)
        with pytest.raises(UnavailableError, match="no outcome written") as refused:
            writer.write(in_flight, 0, line.partition() or 0, (line.key(), line.value() or b"", []))
        assert isinstance(refused.value.__cause__, KafkaException)
        assert decided(depot, hosted) == before
