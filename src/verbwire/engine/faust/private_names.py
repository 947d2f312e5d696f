"""Every private name of Faust, mode and aiokafka that the adapter relies on, and a check that they are still there.

The versions are bounded in pyproject.toml; tests/platform/engine/test_faust_private_names.py pins their use. Importing
this module imports Faust, which takes a second and reads `sys.argv`: only processes that run workers do.
"""

from __future__ import annotations

import inspect
from typing import Any

import aiokafka.consumer.fetcher as fetcher
import aiokafka.consumer.group_coordinator as coordinator
import aiokafka.consumer.subscription_state as subscription
import aiokafka.record.default_records as default_records
import aiokafka.record.memory_records as memory_records
import faust
from aiokafka import AIOKafkaConsumer
from aiokafka.client import AIOKafkaClient
from faust.sensors import Monitor
from faust.tables.manager import TableManager
from faust.transport.consumer import Consumer, Fetcher
from faust.transport.drivers import aiokafka as driver
from mode import Service

from verbwire.errors import EngineError

# class -> names that must be attributes of it; each with what is done with it
ATTRIBUTES: dict[Any, dict[str, str]] = {
    Consumer: {"_drain_messages": "replaced: the feed reads"},
    Fetcher: {"_fetcher": "calls Consumer._drain_messages(self)"},
    driver.Consumer: {"_new_consumer_thread": "replaced: creates our thread"},
    driver.AIOKafkaConsumerThread: {
        "_create_worker_consumer": "extended: read_committed, short waits",
        "_ensure_consumer": "called: the coordinator's generation and member id",
        "_thread_keepalive": "replaced: a tick a second that nothing needs",
        "_keepalive2": "replaced: the same, on both loops",
        "on_thread_stop": "extended: leaves the group on scale-in",
        "on_start": "extended: listens to the group's answers, before anything is subscribed",
        "verify_event_path": "replaced: silences warnings about commits that Faust does not make",
        "_fetch_records": "called: what is fetched of the engine's partitions, at once",
        "_seek_wait": "called: seeks the engine's partitions",
    },
    driver.ConsumerRebalanceListener: {
        "on_partitions_revoked": "extended: marks the assignment dead at once",
        "on_partitions_assigned": "extended: captures the membership, once",
    },
    Monitor: {"_sampler": "replaced: a tick a second for figures that nobody reads"},
    TableManager: {
        "recovery": "replaced: restores in batches",
        "_update_channels": "called: makes Faust's tables known",
        "on_actives_ready": "called",
        "on_standbys_ready": "called",
    },
    coordinator.GroupCoordinator: {
        "request_rejoin": "called: a new assignment after a lost fence, or where inputs are missing in one",
        "_do_heartbeat": "relied on: sends by _send_req, so that what it was answered is seen",
        "_send_req": "wrapped: when the group's last answer was asked for, which the lease is counted from",
    },
    AIOKafkaClient: {
        "_get_conn": "wrapped: pauses that grow while a node is away",
        "force_metadata_update": "called: topics have changed",
    },
    fetcher.Fetcher: {"_create_fetch_waiter": "called: done when more has been fetched"},
    fetcher.PartitionRecords: {"_consumer_record": "wrapped: ours, else what it makes: a ConsumerRecord of its module"},
    default_records._DefaultRecordBatchPy: {"_maybe_uncompress": "called: before our reader looks at the records"},
    memory_records._MemoryRecordsPy: {"_cache_next": "called: moves to the next batch"},
    subscription.SubscriptionState: {"reassignment_in_progress": "read: aiokafka would wait for the next assignment"},
    subscription.Assignment: {"state_value": "called: how far a partition is read"},
    subscription.TopicPartitionState: {
        "has_valid_position": "read: whether it is known",
        "position": "read: behind what was given to us, marks of transactions included",
    },
    Service: {"should_stop": "read", "crash_reason": "watched: a service beneath the app crashes it so"},
}
# class -> names that its code must assign to self
ASSIGNED: dict[Any, dict[str, str]] = {
    subscription.TopicPartitionState: {"lso": "read: the last stable offset of the last fetch"},
    AIOKafkaConsumer: {
        "_isolation_level": "set between construction and start",
        "_retry_backoff_ms": "set between construction and start",
        "_coordinator": "read",
        "_fetcher": "read: what is fetched",
        "_max_poll_records": "read: how much is taken at once",
        "_client": "read: what it connects by is wrapped before the start, and it is told that topics have changed",
        "_subscription": "read: the partitions and how far they are read",
    },
    fetcher.Fetcher: {
        "_fetch_max_wait_ms": "set: how long a fetch waits at the broker",
        "_pending_tasks": "cancelled: fetches that wait at the broker while an idle group seeks",
        "_fetcher_timeout": "set: an idle group is not to look around five times a second",
    },
    AIOKafkaClient: {"_conns": "read: the connections on which fetches wait are closed"},
    coordinator.GroupCoordinator: {
        "generation": "read when partitions are assigned",
        "member_id": "read when partitions are assigned",
        "_group_instance_id": "cleared to leave the group on scale-in",
        "_coordination_task": "watched: its end leaves a process that owns nothing",
        "_pending_exception": "watched: an error that the coordination waits with, for ever",
    },
    driver.ConsumerRebalanceListener: {"_thread": "read: the way to our consumer"},
    faust.Service: {"_stopped": "read"},
    TableManager: {"_recovery": "set: our recovery service"},
    default_records._DefaultRecordBatchPy: {
        "_buffer": "read: the records, expanded",
        "_pos": "read: where they begin",
        "_num_records": "read: how many there are",
    },
    memory_records._MemoryRecordsPy: {"_next_slice": "read: the bytes of the next batch"},
}


def missing() -> list[str]:
    """Return a sentence for each name that is gone."""
    lost = [
        f"{owner.__module__}.{owner.__qualname__}.{name} is gone ({use})"
        for owner, names in ATTRIBUTES.items()
        for name, use in names.items()
        if not hasattr(owner, name)
    ]
    for owner, names in ASSIGNED.items():
        source = "".join(inspect.getsource(each) for each in owner.__mro__ if each.__module__.split(".")[0] in _OURS)
        lost += [
            f"{owner.__module__}.{owner.__qualname__} no longer sets self.{name} ({use})"
            for name, use in names.items()
            if f"self.{name}" not in source
        ]
    for function in (coordinator.GroupCoordinator._do_heartbeat, coordinator.CoordinatorGroupRebalance):
        if "._send_req(" not in inspect.getsource(function):
            lost.append(
                f"aiokafka's {function.__qualname__} asks the group in another way (the lease is counted from it)"
            )
    if not hasattr(subscription, "SubscriptionState"):
        lost.append("aiokafka.consumer.subscription_state.SubscriptionState is gone (seek clears its fetch positions)")
    return lost


_OURS = ("faust", "aiokafka", "mode")


def verify() -> None:
    """Raise EngineError when an installed version lacks something that the engine relies on."""
    if lost := missing():
        raise EngineError("this Faust or aiokafka is not the one verbwire was built on: " + "; ".join(lost))
