"""Collects what is read of changelogs, the newest record of each key, and writes it into copies in runs.

A run is written by threads of its own while the next one is read, the part of a partition by one of them: a partition
is a file, and SQLite works without the GIL. It is sorted by the writer, so the longer it is the more of its rows stand
on one page. What is in memory is two runs at most.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from confluent_kafka import Message

from verbwire.engine.restore.changelog_task import ChangelogTask
from verbwire.engine.restore.copy_loads import AT_ONCE
from verbwire.engine.restore.topic_identity import read_topics, recreated
from verbwire.engine.state.changes import StoreChanges
from verbwire.engine.topology import ROWS
from verbwire.engine.transactions.dead_letters import legible
from verbwire.errors import NewerSchemaError, UnavailableError, UndecodableError
from verbwire.wire.records.changelog import INPUTS_HEADER, TIME_HEADER, read_facts, read_inputs

RECORDS = 20_000  # of a run, of all logs
BYTES = 8 * 1024 * 1024


@dataclass
class _LogRun:
    """What was read of one log since it was written last."""

    task: ChangelogTask
    topics: dict[str, str]  # the ids that the facts of the partition name, as far as it was read
    changes: StoreChanges = field(default_factory=StoreChanges)

    def absorb(self, messages: list[Message], position: int) -> None:
        """Take records in, up to a position; an outage of the registry is raised, else it is the fault of a record."""
        absorb, unreadable = self.task.log.absorb, self.task.unreadable
        message: Message | None = None
        try:
            for message in messages:
                record = _Restored(message)
                try:
                    absorb(self.changes, record)
                except UndecodableError as error:
                    self._note(record, error)
                else:
                    if unreadable:  # mended by a later record of its key
                        unreadable.pop(record.key or b"", None)
            if self.task.log.name == ROWS:
                self._progress(messages)
        except NewerSchemaError as error:
            self.task.refused = str(error)
        except UnavailableError:
            raise
        except Exception as error:  # noqa: BLE001 (whatever a record that is none of ours makes of its reader)
            offset = self.task.start if message is None else message.offset()
            place = f"{self.task.log.topic}/{self.task.partition}@{offset}"
            self.task.refused = (
                f"{place} cannot be taken into the table: {legible(f'{type(error).__name__}: {error}')}. Find out what "
                "wrote it; mend the code where that is to blame, and start the worker again, or rebuild the table"
            )
        if not unreadable:  # else the next start has to look at it once more
            self.changes.positions[self.task.log.name] = position

    def _note(self, record: _Restored, error: UndecodableError) -> None:
        key, place = record.key or b"", f"{record.topic}/{record.partition}@{record.offset}"
        self.task.note(key, f"the record {place} of the key {key[:80]!r} cannot be read: {error}")

    def _progress(self, messages: list[Message]) -> None:
        """Note the positions of the inputs: the last record of each batch has them, so the latest one counts."""
        for message in reversed(messages):
            headers = message.headers() or ()
            said = dict(headers)
            if value := said.get(INPUTS_HEADER):
                self._note_progress(read_inputs(value), read_facts(headers))
                if time := said.get(TIME_HEADER):
                    self.changes.time = max(self.changes.time or 0, int(time))
                return

    def _note_progress(self, inputs: dict[str, int], facts: dict[str, bytes]) -> None:
        changes = self.changes
        changes.facts |= facts
        before, now = self.topics, read_topics(facts)
        for topic in recreated(before, {**before, **now}, before):
            changes.forgotten.append(topic)
            changes.inputs.pop(topic, None)
        for topic, offset in inputs.items():
            changes.inputs[topic] = max(changes.inputs.get(topic, 0), offset)
        self.topics = now or before

    def write(self) -> None:
        """Write it; nothing of it where the task has to be given up."""
        if self.task.is_given_up():
            return
        try:
            self.task.store.apply(self.changes)
        except Exception as error:  # noqa: BLE001 (a full disk, a value that SQLite does not take: this partition's)
            self.task.failure = error


class ChangelogRuns:
    """The runs of one restore. A context manager: on the way out nothing is being written any more."""

    def __init__(self) -> None:
        self._writers = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="restore")
        self._runs: dict[int, _LogRun] = {}  # by their tasks
        self._topics: dict[int, dict[str, str]] = {}
        self._records = self._bytes = 0
        self._writing: list[Future[None]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None or issubclass(kind, Exception):
                self._write()
                self._wait()
        finally:
            self._writers.shutdown()

    def add(self, task: ChangelogTask, messages: list[Message], position: int) -> None:
        """Take records of a task in, up to a position; those before them are in already."""
        run = self._runs.get(id(task))
        if run is None:
            topics = self._topics.get(id(task))
            run = self._runs[id(task)] = _LogRun(task, read_topics(task.store.facts()) if topics is None else topics)
        run.absorb(messages, position)
        self._topics[id(task)] = run.topics
        self._records += len(messages)
        self._bytes += sum(map(len, messages))
        if self._records >= RECORDS or self._bytes >= BYTES:
            self._write()

    def _write(self) -> None:
        """Begin to write what was read, once what was read before is written."""
        self._wait()
        of_copies: dict[int, list[_LogRun]] = {}  # a copy is written by one thread at a time
        for run in self._runs.values():
            of_copies.setdefault(id(run.task.store), []).append(run)
        self._runs = {}
        self._records = self._bytes = 0
        self._writing = [self._writers.submit(_write_all, runs) for runs in of_copies.values()]

    def _wait(self) -> None:
        for writing in self._writing:
            writing.result()


def _write_all(runs: Iterable[_LogRun]) -> None:
    for run in runs:
        run.write()


class _Restored:
    """A confluent-kafka message as a Record; headers are decoded only when asked for, they cost the most."""

    __slots__ = ("_message", "key", "offset", "partition", "value")

    def __init__(self, message: Message) -> None:
        self._message = message
        self.key: bytes | None = message.key()
        self.value: bytes | None = message.value()
        self.offset: int = message.offset()
        self.partition: int = message.partition()

    @property
    def topic(self) -> str:
        return str(self._message.topic())

    @property
    def timestamp(self) -> int:
        return int(self._message.timestamp()[1])

    @property
    def headers(self) -> list[tuple[str, Any]]:
        return self._message.headers() or []
