"""Consumers in no group: what they must have, whatever else the connection's properties say."""

from __future__ import annotations

import uuid
from contextlib import closing
from typing import Any

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from tests.kit.cluster import Cluster
from verbwire.kafka.readers import consumed, read_to_end, reader_properties


@pytest.mark.parametrize(
    ("name", "value"),
    [("isolation.level", "read_uncommitted"), ("enable.auto.commit", True), ("group.id", "mine"), ("logger", None)],
)
def test_a_connection_cannot_make_a_reader_commit_or_read_what_is_not_committed(name: str, value: Any) -> None:
    found = reader_properties({"bootstrap.servers": "b:1", name: value}, "verbwire.test")
    assert found["bootstrap.servers"] == "b:1"
    assert (found[name] == value) == (name == "logger")


def test_properties_of_one_reader_win() -> None:
    assert reader_properties({"fetch.wait.max.ms": 7}, "verbwire.test", fetch_wait_max_ms=20)["fetch.wait.max.ms"] == 20


def test_a_topic_is_read_to_its_end_without_what_was_aborted(cluster: Cluster) -> None:
    topic, kafka = f"t{uuid.uuid4().hex[:10]}", {"bootstrap.servers": cluster.bootstrap}
    admin = AdminClient(kafka)
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result()
    producer = Producer({**kafka, "transactional.id": topic})
    producer.init_transactions(30)
    for value, ends in ((b"first", producer.commit_transaction), (b"aborted", producer.abort_transaction)):
        producer.begin_transaction()
        producer.produce(topic, value, b"k", headers=[("h", b"v")])
        producer.flush(30)
        ends(30)
    with closing(Consumer(reader_properties(kafka, "verbwire.test"))) as consumer:
        (message,) = read_to_end(consumer, [TopicPartition(topic, 0, OFFSET_BEGINNING)])
        record = consumed(message)
        assert (record.topic, record.partition, record.offset) == (topic, 0, 0)
        assert (record.key, record.value, record.headers, record.is_stamped) == (b"k", b"first", [("h", b"v")], False)
        assert list(read_to_end(consumer, [TopicPartition(topic, 0, 1)])) == []
