"""Begins the transactions of one group, and hands over for commit what was built; what fails is aborted and told."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from confluent_kafka import KafkaException

from verbwire.engine.transactions.committer import Committer, classified, reason_of
from verbwire.engine.transactions.failpoints import hit
from verbwire.engine.transactions.failures import TransactionFailures
from verbwire.engine.transactions.group_metadata import GroupMetadata
from verbwire.engine.transactions.producers import SLOTS, ProducerPair
from verbwire.engine.transactions.record_limits import RecordLimits
from verbwire.engine.transactions.transaction import Transaction
from verbwire.errors import RegistryUnavailableError
from verbwire.observability.metrics.groups import GroupMetrics

REGISTRY_SECONDS = 5.0  # the registry is asked again within; it takes a while to give up on one that is silent


class GroupTransactions:
    """Those of one group. Belongs to the engine's thread.

    `row_checks` are the partitions whose rows are encoded as each record is processed; they may change.
    """

    def __init__(
        self,
        producers: ProducerPair,
        committer: Committer,
        failures: TransactionFailures,
        metrics: GroupMetrics,
        worker: str,
        limits: RecordLimits,
        row_checks: Collection[int],
    ) -> None:
        self._producers = producers
        self._committer = committer
        self._failures = failures
        self._metrics = metrics
        self._worker = worker
        self._limits = limits
        self._row_checks = row_checks
        self._registry_back_at = 0.0  # as far as we know: it is asked again before that

    def waits_for_registry(self) -> bool:
        """Whether records could not be read lately because the schema registry does not know what it should."""
        return time.monotonic() < self._registry_back_at

    def settle(self) -> None:
        """Wait until all that was built is committed, and in the copies; raises what one of them failed with."""
        for slot in SLOTS:
            self._committer.wait_for_slot(slot)

    @contextmanager
    def begin(self, membership: GroupMetadata, seconds: float) -> Iterator[Transaction]:
        """Begin one for a block that builds it, and hand it over for commit; what fails in the block aborts it.

        Its handlers have so many `seconds`.
        One that has done nothing for any partition is not committed. What is raised has been noted as a failure, by
        its class: the partitions start over.
        """
        transaction = self._begun(membership)
        started = time.monotonic()
        transaction.deadline = started + seconds
        try:
            yield transaction
            transaction.send()
        except BaseException as error:
            self._give_up(transaction, error)
            raise
        self._metrics.built(time.monotonic() - started - transaction.waited)
        if transaction.caches:
            hit("after-produce")
            self._committer.submit(transaction)
        else:
            self._committer.abort(transaction)

    # -- inside

    def _begun(self, membership: GroupMetadata) -> Transaction:
        self._failures.take_progress()
        slot = self._producers.next_slot()
        self._committer.wait_for_slot(slot)
        before = self._committer.flushed
        try:
            producer = self._producers.begin(slot)
        except KafkaException as error:  # a producer that has met a fatal error since its last transaction
            self._producers.give_up(slot)
            raise classified(error, {}) from error
        transaction = Transaction(producer, slot, membership, self._worker, before, self._limits)
        transaction.row_checks = self._row_checks
        return transaction

    def _give_up(self, transaction: Transaction, error: BaseException) -> None:
        """Abort it, note why, and raise that by its class; return where `error` is to be raised as it is."""
        self._failures.note(None)
        self._metrics.aborted(reason_of(error))
        self._committer.abort(transaction, error)
        if not isinstance(error, Exception):
            return
        # A KafkaException is of what was produced earlier: produce() reports it late.
        if transaction.at is not None and not isinstance(error, KafkaException):
            place, whole = transaction.at
            transaction.ranges = {place: transaction.ranges.get(place, whole)}
        failure = classified(error, transaction.ranges)
        self._failures.note(failure)
        if isinstance(error, RegistryUnavailableError):
            self._registry_back_at = time.monotonic() + REGISTRY_SECONDS
        raise failure from error
