"""The second thread of the engine: commits transactions in the order they were built, then writes the local copies.

While one transaction is committed here, the next is built on the engine's thread; its offsets are sent and it is
committed only after the first's commit has returned. Were it earlier, and the first failed, the group would stand
behind inputs that were not processed.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from functools import partial

from confluent_kafka import KafkaError, KafkaException

from verbwire.engine.transactions.dead_letters import legible
from verbwire.engine.transactions.failpoints import hit
from verbwire.engine.transactions.local_writes import REST_SECONDS, LocalWrites
from verbwire.engine.transactions.poison_records import FailedTransaction, Place, RecordRange
from verbwire.engine.transactions.producers import GROUP_FENCE, PRODUCER_FENCE, SLOTS, ProducerPair, fatal_errors
from verbwire.engine.transactions.transaction import Transaction
from verbwire.errors import EngineError, FencedError, UnavailableError, VerbwireError
from verbwire.kafka import denials
from verbwire.kafka.call_timeout import TimeoutCaller
from verbwire.serial_executor import SerialExecutor

log = logging.getLogger(__name__)

SECONDS = 10.0  # for each call to the broker; the transaction itself lives as long (producers.py)
_PATIENCE = 2.0  # seconds more, for a call that does not keep its own time
_FLUSH_SECONDS = 0.2  # then it is looked whether the offsets were refused, for records that would never go
# The broker refuses a record so, and would refuse it again.
_REFUSED = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.INVALID_MSG_SIZE,
        KafkaError.INVALID_RECORD,
        KafkaError.INVALID_TIMESTAMP,
        KafkaError.POLICY_VIOLATION,
        KafkaError.UNSUPPORTED_FOR_MESSAGE_FORMAT,
        KafkaError.UNSUPPORTED_COMPRESSION_TYPE,
        KafkaError._INVALID_ARG,
    }
)
_SPOILING = _REFUSED | {KafkaError._TIMED_OUT, KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER}


class NotTakenError(UnavailableError):
    """Records stayed in the producer: it may know of no broker at all, and does not ask again by itself."""


class Committer:
    """Takes whole transactions. After a failure it aborts what follows until `recover` was called."""

    def __init__(
        self,
        producers: ProducerPair,
        group: str,
        committed: Callable[[Transaction, float], None],
        failed: Callable[[str], None],
        patient: bool = False,
    ) -> None:
        self._producers = producers
        self._local_writes = LocalWrites(patient, committed)
        self._failed = failed
        self._thread = SerialExecutor(f"commit {group}", resting=self._rest, rest_seconds=REST_SECONDS)
        self._caller = TimeoutCaller(f"offsets {group}")
        self._under_way: dict[int, Future[None]] = {}
        self._last: Future[None] | None = None  # what is to be noted after them
        self.flushed = threading.Event()  # the last transaction submitted is with the broker; its successor waits
        self.flushed.set()
        self.failure: VerbwireError | None = None
        self.progressed: Callable[[], None] = lambda: None  # told, on its thread, when `flushed` is set or it failed

    def submit(self, transaction: Transaction) -> None:
        """Commit this one after those before it."""
        self.flushed = transaction.flushed
        self._under_way[transaction.slot] = self._thread.submit(self._run, transaction)

    def wait_for_slot(self, slot: int) -> None:
        """Wait until the last transaction of this slot is over; raise what has failed since the last recovery."""
        if slot in self._under_way:
            self._under_way.pop(slot).result()
        if self.failure:
            raise self.failure

    def afterwards(self, note: Callable[[], None]) -> None:
        """Call `note` on the committing thread once all that was submitted is written; not if any of it failed."""
        self._last = self._thread.submit(lambda: None if self.failure else self._local_writes.then(note))

    def busy(self) -> bool:
        """Whether a transaction is under way."""
        return any(not future.done() for future in list(self._under_way.values()))

    def recover(self) -> None:
        """Wait until nothing is under way and forget the failure: the caller starts its partitions over."""
        for slot in SLOTS:
            if slot in self._under_way:
                self._under_way.pop(slot).result()
        if self._last is not None:
            self._last.result()
        self._thread.submit(self._rest).result()
        self.failure = None

    def close(self) -> None:
        """End the thread after what is under way."""
        with suppress(RuntimeError):  # it has ended before
            self._thread.submit(self._rest)
        self._thread.shutdown()
        self._caller.close()

    # -- on the committing thread

    def _run(self, transaction: Transaction) -> None:
        try:
            if self.failure:
                self.abort(transaction)
            else:
                self._commit(transaction)
        except VerbwireError as error:
            self._fail(error)
        except Exception as error:  # noqa: BLE001 (of the local write: the commit has its own)
            self._fail(_unwritten(error))
        finally:
            transaction.flushed.set()
            transaction.ended(self.failure is None)
            self._producers.ended(transaction.slot)

    def _rest(self) -> None:
        """Write what waits for transactions that have not come."""
        try:
            self._local_writes.write()
        except VerbwireError as error:
            self._fail(error)
        except Exception as error:  # noqa: BLE001 (as above)
            self._fail(_unwritten(error))

    def _fail(self, failure: VerbwireError) -> None:
        self._failed(reason_of(failure))
        self.failure = failure
        self.progressed()

    def _commit(self, transaction: Transaction) -> None:
        started = time.perf_counter()
        # 1. the inputs, fenced by the membership they were read under; meanwhile the records go
        sending = transaction.sending = self._caller.begin(partial(self._send_offsets, transaction))
        try:
            transaction.begin_commit()
            self._flush(transaction)  # 2. what was produced is on the broker, and the outcomes, which carry its offsets
            if transaction.placed:
                transaction.finish()
                self._flush(transaction)  # 3. what is left of these
            transaction.flushed.set()
            self.progressed()
            hit("after-flush")
            self._caller.wait(sending, SECONDS + _PATIENCE, "sending the offsets")
            hit("after-offsets")
        except Exception as error:  # noqa: BLE001 (raised again, as what it means)
            cause = _cause(error, sending)
            self.abort(transaction, cause)
            raise classified(cause, transaction.ranges) from cause
        try:
            hit("during-commit")
            with fatal_errors():
                transaction.producer.commit_transaction(SECONDS)  # 4. all of it becomes visible
        except KafkaException as error:
            # Whether it is committed is unknown: librdkafka lacks the newer protocol (KIP-890), so this producer
            # object must not touch the next transaction.
            self._producers.give_up(transaction.slot, fenced=error.args[0].code() in PRODUCER_FENCE)
            raise classified(error, transaction.ranges) from error
        hit("after-commit")
        # 5. the copies, never before; 6. notifications to those who wait for it
        self._local_writes.take(transaction, time.perf_counter() - started)
        self._producers.begin_next(transaction.slot)

    def _flush(self, transaction: Transaction) -> None:
        over = time.monotonic() + SECONDS
        while True:
            with fatal_errors():
                left = transaction.producer.flush(_FLUSH_SECONDS)
            if not left:
                return
            if refused := _refusal(transaction.sending):  # its producer sends no more
                raise refused
            if time.monotonic() > over:
                raise NotTakenError(f"the broker did not take {left} records within {SECONDS:.0f} s")

    def _send_offsets(self, transaction: Transaction) -> None:
        """Send them, on a thread of the caller's."""
        offsets = transaction.offsets()
        if not offsets:
            raise EngineError("a transaction without input offsets is not fenced")
        transaction.producer.send_offsets_to_transaction(offsets, transaction.membership.proof(), SECONDS)

    def abort(self, transaction: Transaction, because: BaseException | None = None) -> None:
        """Make sure that nothing of it becomes visible; gives the producer up where that cannot be known.

        And where it did not get through to the broker: a new one begins from the bootstrap addresses, an old one that
        knows no broker any more would fail the same way for ever. And where the broker has refused a batch: librdkafka
        goes on counting behind it, so that on several brokers each later transaction would be refused for its gap.
        """
        transaction.give_up()
        transaction.ended(False)
        fatal = isinstance(because, KafkaException) and because.args[0].code() in PRODUCER_FENCE
        try:
            if not fatal:
                with fatal_errors():  # delivery reports of what is purged are served here
                    transaction.producer.abort_transaction(SECONDS)
                if not _is_spoilt(because):
                    return
        except KafkaException as error:
            log.warning("abort failed: %s", error.args[0].str())
        finally:
            self._producers.ended(transaction.slot)
        self._producers.give_up(transaction.slot, fenced=fatal)


def _cause(error: Exception, sending: Future[None]) -> Exception:
    """Return why a transaction is aborted, once its offsets are sent or refused: nothing else may use the producer.

    Where they were refused, the records that could not follow are no more than what came of it.
    """
    with suppress(TimeoutError):
        sending.exception(SECONDS + _PATIENCE)
    return (_refusal(sending) or error) if isinstance(error, KafkaException) else error


def _unwritten(error: Exception) -> UnavailableError:
    """Return what a copy that could not be written means: the log has it, and the restore finds out whose it is."""
    if not isinstance(error, sqlite3.Error):
        log.error("writing a local copy failed in a way that is not foreseen", exc_info=error)
    return UnavailableError(f"the local copy could not be written ({error!r}); restoring it from the log")


def _refusal(sending: Future[None] | None) -> KafkaException | None:
    """Return why the broker refused the offsets, as far as that is known."""
    failure = sending.exception() if sending is not None and sending.done() else None
    return failure if isinstance(failure, KafkaException) else None


def _is_spoilt(because: BaseException | None) -> bool:
    """Whether a producer would fail again by what made its transaction fail."""
    code = because.args[0].code() if isinstance(because, KafkaException) else None
    return isinstance(because, NotTakenError) or code in _SPOILING


def classified(error: Exception, suspects: Mapping[Place, RecordRange]) -> VerbwireError:
    """Return what a failed transaction means: the partitions are no longer ours, or they start over.

    After an outage as often as it takes; after anything else a record that the transaction dealt with may be to blame.
    """
    if isinstance(error, UnavailableError | EngineError):
        return error
    if not isinstance(error, KafkaException):
        return FailedTransaction(legible(f"{type(error).__name__}: {error}"), suspects)
    cause = error.args[0]
    if cause.code() in GROUP_FENCE:
        return FencedError(f"the group has moved on: {cause.str()}")
    if denials.is_denied(cause):
        said = denials.denied("WRITE", "one of the topics that this group writes, or commit what it has read")
        return FailedTransaction(f"{cause.name()} {cause.str()}: {said}", suspects, any_record=True)
    if cause.code() in _REFUSED:
        return FailedTransaction(f"{cause.name()} {cause.str()}", suspects)
    return UnavailableError(f"transaction not committed: {cause.name()} {cause.str()}")


def reason_of(error: BaseException) -> str:
    """Return one of few words for the metrics: the broker's, or the name of the class."""
    cause = error.__cause__ if isinstance(error.__cause__, KafkaException) else error
    return str(cause.args[0].name()) if isinstance(cause, KafkaException) else type(error).__name__
