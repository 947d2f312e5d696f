"""The private names of Faust and aiokafka that the engine leans on: a release that drops one is told by name."""

from __future__ import annotations

import dataclasses
import inspect
import subprocess
import sys

import faust
import msgspec
import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer import subscription_state as subscription
from aiokafka.consumer.fetcher import Fetcher as Fetching
from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import _MemoryRecordsPy
from aiokafka.structs import ConsumerRecord
from faust.sensors import Monitor
from faust.tables.manager import TableManager
from faust.transport.consumer import Consumer, Fetcher
from faust.transport.drivers import aiokafka as driver
from mode import Service

from verbwire.engine.faust import fetched_records, private_names
from verbwire.engine.faust.fetched_records import FetchedRecord, use_fetched_records
from verbwire.errors import EngineError

USED = {
    Consumer: {"_drain_messages"},
    Fetcher: {"_fetcher"},
    driver.Consumer: {"_new_consumer_thread"},
    driver.AIOKafkaConsumerThread: {
        "_create_worker_consumer",
        "_ensure_consumer",
        "on_start",
        "on_thread_stop",
        "verify_event_path",
        "_fetch_records",
        "_seek_wait",
        "_thread_keepalive",
        "_keepalive2",
    },
    driver.ConsumerRebalanceListener: {"on_partitions_revoked", "on_partitions_assigned", "_thread"},
    Monitor: {"_sampler"},
    TableManager: {"recovery", "_update_channels", "on_actives_ready", "on_standbys_ready", "_recovery"},
    Service: {"should_stop", "crash_reason", "_stopped"},
    AIOKafkaConsumer: {
        "_isolation_level",
        "_retry_backoff_ms",
        "_coordinator",
        "_fetcher",
        "_max_poll_records",
        "_client",
        "_subscription",
    },
    AIOKafkaClient: {"_get_conn", "_conns", "force_metadata_update"},
    PartitionRecords: {"_consumer_record"},
    _DefaultRecordBatchPy: {"_maybe_uncompress", "_buffer", "_pos", "_num_records"},
    _MemoryRecordsPy: {"_cache_next", "_next_slice"},
    Fetching: {"_create_fetch_waiter", "_fetch_max_wait_ms", "_fetcher_timeout", "_pending_tasks"},
    subscription.SubscriptionState: {"reassignment_in_progress"},
    subscription.Assignment: {"state_value"},
    subscription.TopicPartitionState: {"has_valid_position", "lso", "position"},
    GroupCoordinator: {
        "generation",
        "member_id",
        "_group_instance_id",
        "_coordination_task",
        "_pending_exception",
        "request_rejoin",
        "_do_heartbeat",
        "_send_req",
    },
}


def test_private_names_of_faust_are_all_there() -> None:
    assert private_names.missing() == []
    private_names.verify()


def test_private_fields_of_fetched_records_are_those_of_aiokafkas_own() -> None:
    ours, theirs = msgspec.structs.fields(FetchedRecord), dataclasses.fields(ConsumerRecord)
    assert [each.name for each in ours] == [each.name for each in theirs]
    use_fetched_records()
    assert "return ConsumerRecord(" in inspect.getsource(fetched_records._of_aiokafka)
    assert fetched_records._of_aiokafka.__globals__["ConsumerRecord"] is FetchedRecord


def test_private_names_of_faust_are_pinned_with_a_sentence() -> None:
    pinned = {**private_names.ATTRIBUTES}
    for owner, names in private_names.ASSIGNED.items():
        key = Service if owner is faust.Service else owner
        pinned[key] = {**pinned.get(key, {}), **names}
    assert {owner: set(names) for owner, names in pinned.items()} == USED
    assert all(len(use) > 3 for names in pinned.values() for use in names.values())


@pytest.mark.parametrize(
    ("table", "owner"),
    [(table, owner) for table in ("ATTRIBUTES", "ASSIGNED") for owner in getattr(private_names, table)],
)
def test_a_private_name_that_is_gone_is_told_with_its_use(
    table: str, owner: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each class is really looked at: a name it never had is missed."""
    monkeypatch.setattr(private_names, "ATTRIBUTES", {})
    monkeypatch.setattr(private_names, "ASSIGNED", {})
    monkeypatch.setattr(private_names, table, {owner: {"_never_there": "made up"}})
    assert [line for line in private_names.missing() if "_never_there" in line and "made up" in line]
    with pytest.raises(EngineError, match="not the one verbwire was built on"):
        private_names.verify()


def test_heartbeats_that_take_another_way_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GroupCoordinator, "_do_heartbeat", lambda: None)
    assert any("the lease is counted from it" in line for line in private_names.missing())


def test_only_workers_pay_for_faust() -> None:
    """The core, its store and its view are used without Faust; importing it takes a second and reads sys.argv."""
    code = "import sys, verbwire.engine.group, verbwire.engine.builders.groups; print('faust' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "False"
