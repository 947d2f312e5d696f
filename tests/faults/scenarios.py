"""Situations that a fault makes likely now and then, brought about every time.

Each runs on the engine as it is and on one with a bug planted, and returns what the checker says of the logs and of the
local copies afterwards. The correct engine must come out exact from all of them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import Producer

from tests.faults.checker import Checker
from tests.faults.findings import Findings
from tests.faults.harness import AGGREGATE, INPUTS, PARTITIONS, START_SECONDS, Shop
from tests.faults.members import CoreWorker, Member, inputs, share
from tests.faults.planted import HOLD, LateMembership
from tests.kit.cluster import eventually
from verbwire.engine import group
from verbwire.engine.group import BatchLimits
from verbwire.engine.transactions import committer, producers
from verbwire.engine.transactions.transaction import Transaction
from verbwire.errors import FencedError
from verbwire.kafka.record import ConsumedRecord

TWO_TRANSACTIONS = 800  # commands
Scenario = Callable[[Shop, pytest.MonkeyPatch, str], Findings]


def _check(shop: Shop) -> Findings:
    checker = Checker(shop.cluster.bootstrap, shop.cluster.registry_url, shop.prefix)
    checker.aggregate()
    return checker.copies(AGGREGATE, "state", shop.tables)


def _worker(shop: Shop, name: str) -> CoreWorker:
    return CoreWorker(shop, AGGREGATE, name)


def _commands(shop: Shop, partitions: set[int] | None = None) -> list[ConsumedRecord]:
    topic = f"{shop.prefix}.{INPUTS[AGGREGATE]}"
    return inputs(shop, topic, range(PARTITIONS) if partitions is None else partitions)


def a_batch_of_lost_partitions(shop: Shop, patch: pytest.MonkeyPatch, bug: str) -> Findings:
    """A worker still holds a batch of partitions that another has got, and dealt with, since."""
    with _worker(shop, "a") as a, _worker(shop, "b") as b, Member(shop, AGGREGATE, "a") as ma:
        share(ma)
        then: Any = ma.membership()
        if bug == "late-metadata":
            then = LateMembership(then.group, ma.name, ma.now)
        a.prepare(ma.partitions)
        with Member(shop, AGGREGATE, "b") as mb:
            share(ma, mb)
            lost = _commands(shop, mb.partitions)
            b.catch_up(mb)
            failure = a.process(lost, then)
            assert isinstance(failure, FencedError) == (not bug), failure
            a.catch_up(ma)
    return _check(shop)


def a_commit_that_is_refused(shop: Shop, patch: pytest.MonkeyPatch, bug: str) -> Findings:
    """The group moves on while a batch is worked on, and nobody else has dealt with its records."""
    with _worker(shop, "a") as a, _worker(shop, "b") as b, Member(shop, AGGREGATE, "a") as ma:
        share(ma)
        then = ma.membership()
        a.prepare(ma.partitions)
        with Member(shop, AGGREGATE, "b") as mb:
            share(ma, mb)
            failure = a.process(_commands(shop), then)
            assert isinstance(failure, FencedError), failure
            b.catch_up(mb)
            a.catch_up(ma)
    return _check(shop)


def a_first_transaction_that_fails(shop: Shop, patch: pytest.MonkeyPatch, bug: str) -> Findings:
    """Of two transactions under way the first is aborted from outside when the second could be committed."""
    send = committer.Committer._send_offsets
    go, second = threading.Event(), threading.Event()

    def hold_the_first(self: Any, transaction: Transaction) -> None:
        # By its turn: with a thread for each of the two, the second may be here before the first.
        if transaction.slot == 0:
            go.wait(START_SECONDS)
        send(self, transaction)

    patch.setattr(committer.Committer, "_send_offsets", hold_the_first)
    patch.setattr(committer, "hit", lambda point: second.set() if point == "after-commit" else None)
    patch.setattr(group, "BATCH", BatchLimits(records=TWO_TRANSACTIONS // 2))
    with _worker(shop, "a") as a, Member(shop, AGGREGATE, "a") as member:
        share(member)
        a.prepare(member.partitions)
        a.engine.process(_batch(shop), member.membership(), lambda: True)
        if bug:
            assert second.wait(START_SECONDS)
        _abort_from_outside(shop, "a", slot=0)
        go.set()
        eventually(lambda: not a.engine.busy(), START_SECONDS)
        assert a.engine.failure is not None
        a.catch_up(member)
    return _check(shop)


def a_first_transaction_that_is_slow(shop: Shop, patch: pytest.MonkeyPatch, bug: str) -> Findings:
    """Of two transactions the first's records reach the broker late, later than the second's could."""
    create, flush = producers.ProducerPair._create, committer.Committer._flush
    state_log = f"{shop.prefix}.{AGGREGATE}-state-changelog"
    held: list[Transaction] = []

    def lazy_first(self: Any, worker: str, slot: int, *seconds: float) -> Producer:
        patch.setitem(producers._SETTINGS, "linger.ms", 0 if slot else 9_000)
        return create(self, worker, slot, *seconds)

    def late_flush(self: Any, transaction: Transaction) -> None:
        if not held:
            held.append(transaction)
            # The correct engine's second waits for this one: it is given a moment to prove that it does.
            over = time.monotonic() + (START_SECONDS if bug else 0.5)
            while time.monotonic() < over and not any(shop.topics.ends(state_log).values()):
                time.sleep(0.02)
        flush(self, transaction)

    patch.setattr(producers.ProducerPair, "_create", lazy_first)
    patch.setattr(committer.Committer, "_flush", late_flush)
    patch.setattr(group, "BATCH", BatchLimits(records=TWO_TRANSACTIONS // 2))
    with _worker(shop, "a") as a, Member(shop, AGGREGATE, "a") as member:
        share(member)
        a.prepare(member.partitions)
        a.engine.process(_batch(shop), member.membership(), lambda: True)
        eventually(lambda: not a.engine.busy(), START_SECONDS)
        a.catch_up(member)
    return _check(shop)


def _batch(shop: Shop) -> dict[tuple[str, int], list[ConsumedRecord]]:
    """Two transactions' worth of one partition's commands."""
    records = _commands(shop, {0})[:TWO_TRANSACTIONS]
    assert len(records) == TWO_TRANSACTIONS
    return {(records[0].topic, 0): records}


def _abort_from_outside(shop: Shop, worker: str, slot: int) -> None:
    """What a new owner does to the transactions of a worker that it takes for dead."""
    name = shop.names.transactional_id(shop.names.group(AGGREGATE), worker, slot)
    producer = Producer({"bootstrap.servers": shop.cluster.bootstrap, "transactional.id": name, "log_level": 3})
    producer.init_transactions(START_SECONDS)


# -- with whole worker processes


def aborted_commands(shop: Shop, patch: pytest.MonkeyPatch, bug: str) -> Findings:
    """Somebody's transaction with commands in it was aborted."""
    conf = {"bootstrap.servers": shop.cluster.bootstrap, "transactional.id": f"{shop.prefix}.somebody", "log_level": 3}
    producer = Producer(conf)
    producer.init_transactions(START_SECONDS)
    producer.begin_transaction()
    for n, each in enumerate(_commands(shop)[::10]):
        headers = [(name, b"aborted-%d" % n if name == "ce_id" else value) for name, value in each.headers]
        producer.produce(each.topic, each.value, each.key, each.partition, headers=headers)
    producer.flush()
    producer.abort_transaction()
    shop.start("w1", AGGREGATE, planted=bug)
    shop.drained(AGGREGATE)
    shop.stop()
    return _check(shop)


def a_batch_held_over_a_rebalance(shop: Shop, patch: pytest.MonkeyPatch, bug: str) -> Findings:
    """The same as `a_batch_of_lost_partitions`, with Faust's group: a worker hangs in a batch while another joins."""
    flag = shop.folder / "hold"
    flag.touch()
    shop.start("w1", AGGREGATE, planted=",".join(filter(None, ("hold", bug))), environment={HOLD: str(flag)})
    eventually(flag.with_name("hold.reached").exists, START_SECONDS)
    shop.start("w2", AGGREGATE)
    mine = eventually(lambda: shop.owners(AGGREGATE).get("w2", set()), START_SECONDS)
    last = shop.topics.last_offsets(f"{shop.prefix}.{INPUTS[AGGREGATE]}")
    eventually(lambda: all(shop.committed(AGGREGATE).get(p, (0, ""))[0] > last[p] for p in mine), START_SECONDS)
    flag.unlink()
    if bug:  # w1's offset of a partition that is w2's: older than w2's, and nobody will ever set it right
        eventually(lambda: any(shop.committed(AGGREGATE).get(p, (0, ""))[1] == "w1" for p in mine), START_SECONDS)
    else:
        shop.drained(AGGREGATE)
    shop.stop()
    return _check(shop)
