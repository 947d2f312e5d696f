"""Records in hand: order per key, waiting without a thread, and what may be committed. No broker."""

from __future__ import annotations

import threading

from tests.kit.cluster import eventually
from verbwire.kafka.record import ConsumedRecord
from verbwire.subscribers.key_queues import KeyedWorkQueue, QueuedRecord
from verbwire.subscribers.partition_state import PartitionInFlight


def a_task(in_flight: PartitionInFlight, offset: int, key: bytes | None) -> QueuedRecord:
    return QueuedRecord(
        ConsumedRecord(in_flight.topic, in_flight.partition, offset, 0, key, b"v", []), offset, in_flight
    )


def filled(*keys: bytes | None, in_flight: PartitionInFlight | None = None) -> tuple[KeyedWorkQueue, PartitionInFlight]:
    lanes, in_flight = KeyedWorkQueue(), in_flight or PartitionInFlight("t", 0)
    for offset, key in enumerate(keys):
        lanes.add(a_task(in_flight, offset, key))
    return lanes, in_flight


def take(lanes: KeyedWorkQueue) -> QueuedRecord:
    task = lanes.take()
    assert task is not None
    return task


def has_none(lanes: KeyedWorkQueue) -> bool:
    """Whether nothing can begin now."""
    taken: list[QueuedRecord | None] = []
    thread = threading.Thread(target=lambda: taken.append(lanes.take()))
    thread.start()
    thread.join(0.05)
    waits = thread.is_alive()
    lanes.close()
    thread.join()
    return waits and taken == [None]


def test_a_key_is_one_at_a_time_and_others_pass_it() -> None:
    lanes, _ = filled(b"a", b"a", b"b")
    first, other = take(lanes), take(lanes)
    assert (first.offset, other.offset) == (0, 2)
    lanes.done(first)
    assert take(lanes).offset == 1


def test_records_without_a_key_are_in_the_order_of_their_partition() -> None:
    lanes, _ = filled(None, None)
    take(lanes)
    assert has_none(lanes)


def test_a_retry_that_waits_holds_its_key_and_no_thread() -> None:
    lanes, in_flight = filled(b"a", b"a", b"b")
    lanes.retry_later(take(lanes), 0.02)
    assert take(lanes).offset == 2
    again = take(lanes)
    assert again.offset == 0
    lanes.done(again)
    assert lanes.committable([in_flight]) == {in_flight: 1}
    assert take(lanes).offset == 1


def test_the_lowest_open_offset_is_committed_and_no_more() -> None:
    lanes, in_flight = filled(b"a", b"b", b"c")
    assert lanes.committable([in_flight]) == {in_flight: 0}
    tasks = [take(lanes) for _ in range(3)]
    lanes.done(tasks[2])
    lanes.done(tasks[1])
    assert lanes.committable([in_flight]) == {in_flight: 0}
    lanes.done(tasks[0])
    assert lanes.committable([in_flight]) == {in_flight: 3}
    in_flight.committed = 3
    assert lanes.committable([in_flight]) == {}
    assert (in_flight.records, in_flight.bytes) == (0, 0)


def test_taking_back_waits_for_what_runs_and_drops_the_rest() -> None:
    lanes, in_flight = filled(b"a", b"b", b"a")
    running = take(lanes)
    finisher = threading.Timer(0.05, lanes.done, (running,))
    finisher.start()
    lanes.take_back([in_flight], 5)
    assert lanes.committable([in_flight]) == {in_flight: 1}
    assert has_none(lanes)


def test_a_handler_not_finished_in_time_is_abandoned_and_asked_to_stop() -> None:
    lanes, in_flight = filled(b"a")
    running = take(lanes)
    assert not running.in_flight.stopping
    lanes.take_back([in_flight], 0.01)
    assert running.in_flight.stopping
    assert lanes.committable([in_flight]) == {in_flight: 0}
    lanes.retry_later(running, 0)  # requeued: it does not begin anew here
    assert has_none(lanes)


def test_the_same_key_of_another_topic_goes_on_when_one_is_taken_back() -> None:
    gone, kept = PartitionInFlight("gone", 0), PartitionInFlight("kept", 0)
    lanes, _ = filled(b"a", in_flight=gone)
    lanes.add(a_task(kept, 7, b"a"))
    lanes.take_back([gone], 0)
    assert take(lanes).in_flight is kept


def test_a_key_that_comes_back_waits_for_its_abandoned_handler() -> None:
    lanes, old = filled(b"a")
    abandoned = take(lanes)
    lanes.take_back([old], 0)
    new = PartitionInFlight("t", 0)
    lanes.add(a_task(new, 0, b"a"))
    taken: list[QueuedRecord] = []
    thread = threading.Thread(target=lambda: taken.append(take(lanes)))
    thread.start()
    thread.join(0.03)
    assert not taken
    lanes.done(abandoned)
    eventually(lambda: taken, 5)
    thread.join()
    assert taken[0].in_flight is new
    assert lanes.committable([new]) == {new: 0}


class Threads:
    """Handler threads that the queue asks for, and lets go; each holds what it has taken until `go` is set."""

    def __init__(self, lanes: KeyedWorkQueue, idle_seconds: float) -> None:
        self.started = self.alive = self.most_at_once = self.holding = 0
        self.go = threading.Event()
        self._lanes, self._idle_seconds = lanes, idle_seconds
        lanes.wants_thread = self._start

    def _start(self) -> bool:
        self.started += 1
        self.alive += 1
        threading.Thread(target=self._run, daemon=True).start()
        return True

    def _left(self) -> None:
        self.alive -= 1

    def _run(self) -> None:
        while (task := self._lanes.take(self._idle_seconds, self._left)) is not None:
            self.holding += 1
            self.go.wait()
            self.holding -= 1
            self._lanes.done(task)


def test_a_thread_is_wanted_for_each_key_and_let_go_while_there_is_no_work() -> None:
    lanes, in_flight = filled()
    threads = Threads(lanes, idle_seconds=0.02)
    for round in range(3):
        threads.go.clear()
        for number in range(4):
            lanes.add(a_task(in_flight, 10 * round + number, b"%d" % number))
        eventually(lambda: threads.holding == 4)
        threads.go.set()
        eventually(lambda: threads.alive == 0 and not lanes.in_flight())
    assert threads.started == 12


def test_retries_that_are_due_together_get_a_thread_each() -> None:
    lanes, _ = filled(b"a", b"b", b"c")
    tasks = [take(lanes) for _ in range(3)]
    threads = Threads(lanes, idle_seconds=0.0)
    for task in tasks:
        lanes.retry_later(task, 0.05)
    threads._start()  # who has retried them would go on to take
    eventually(lambda: threads.holding == 3)
    threads.go.set()
    eventually(lambda: threads.alive == 0 and not lanes.in_flight())
    lanes.close()


def test_what_is_asked_about_a_key_goes_before_what_waits_and_behind_what_runs() -> None:
    lanes, _ = filled(b"a", b"a", b"b")
    asking = PartitionInFlight("requests", 0)

    def ask(offset: int) -> None:
        record = ConsumedRecord("requests", 0, offset, 0, b"office.parcels/a", b"v", [])
        lanes.add(QueuedRecord.request(record, asking))

    lanes.retry_later(take(lanes), 60)  # it may wait for just that
    assert take(lanes).order_key == b"b"
    ask(0)
    ask(1)
    first = take(lanes)
    assert (first.in_flight, first.offset) == (asking, 0)
    ask(2)
    taken = []
    for _ in range(5):
        taken.append((first.in_flight.topic, first.offset))
        lanes.done(first)
        if len(taken) < 5:
            first = take(lanes)
    assert taken == [("requests", 0), ("requests", 1), ("requests", 2), ("t", 0), ("t", 1)]
    assert has_none(lanes)
    assert lanes.committable([asking]) == {asking: 3}
