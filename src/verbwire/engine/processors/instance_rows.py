"""Process instances as they are kept: the state, and beside it its last step, what is due, what it waits for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from verbwire.engine.processors.rows import RowCodec
from verbwire.engine.state.beside import Beside
from verbwire.engine.state.changes import StoreChanges
from verbwire.engine.state.copy_schema import INSTANCE
from verbwire.engine.state.due_order import due_order
from verbwire.engine.state.reader import LAST_STEP
from verbwire.engine.topology import ROWS, EncodedRows, Log
from verbwire.engine.transactions.record_limits import RecordLimits, too_large
from verbwire.errors import UndecodableError
from verbwire.kafka.record import Record
from verbwire.messages import Stored
from verbwire.queries.selection import Value
from verbwire.wire.codec.topics import Codec
from verbwire.wire.records.process_instances import INSTANCE_HEADER, InstanceRecord, read_instance, write_instance

DUE = "due"
_SMALL = 4096  # bytes beside a state, for which there is room in any case


class Instance(Stored, frozen=True, kw_only=True):
    """A process instance: its state, and what is kept beside it."""

    state: Stored
    record: InstanceRecord


class InstanceRows:
    """Encodes and decodes the instances of one process, whose versions may have states of several classes.

    What is kept beside a state is a header of its record, and three columns of the copy alone: the time of the last
    step, of the first deadline, and all of it.
    """

    columns = (LAST_STEP, DUE, INSTANCE)

    def __init__(self, codec: Codec, changelog: str, states: Sequence[type[Stored]], limits: RecordLimits) -> None:
        self._limits = limits
        self._changelog = changelog
        self._codecs = {state: RowCodec(codec, changelog, state, limits=limits) for state in dict.fromkeys(states)}
        newest = self._codecs[states[0]]
        classes = {state.__contract__: state for state in self._codecs}
        self._decoder = codec.topic_decoder(changelog, newest.contract.namespace, classes)
        self.versions = newest.versions

    @property
    def beside(self) -> Beside:
        """What stands with a state."""
        return Beside(INSTANCE_HEADER, INSTANCE, _joined)

    def encode(self, key: bytes, instance: Stored) -> None:
        """Raise UnencodableError where the state lies about its key, or one is too large."""
        assert isinstance(instance, Instance)  # noqa: S101 (its processor makes no others)
        value, _ = self._codecs[type(instance.state)].encode(key, instance.state)
        self._beside(key, value, instance.record)

    def normal(self, state: Stored) -> Stored:
        """Return a state as it will be read back."""
        return self._codecs[type(state)].normal(state)

    def encode_all(self, instances: Mapping[bytes, Stored | None]) -> EncodedRows:
        """Return the instances as they are kept."""
        found = {key: each for key, each in instances.items() if isinstance(each, Instance)}
        encoded: dict[bytes, tuple[Value, ...] | None] = dict.fromkeys(instances)
        for state, rows in self._codecs.items():
            these = {key: each.state for key, each in found.items() if type(each.state) is state}
            for key, row in rows.encode_all(these).items():
                assert row is not None and isinstance(row[0], bytes)  # noqa: S101, PT018 (none of these is deleted)
                record = found[key].record
                encoded[key] = (row[0], record.at, _order(record), self._beside(key, row[0], record))
        return encoded

    def decode(self, value: bytes) -> Stored:
        """Return the state of a changelog's value, to be rewritten; NewerSchemaError where that would lose fields."""
        self._require_not_newer(value)
        state = self._decoder.decode(value)
        if not isinstance(state, Stored):
            raise UndecodableError("the changelog holds a state of no version of this process that is declared")
        return state

    def log(self) -> Log:
        """Return how the changelog restores a store."""
        return Log(ROWS, self._changelog, self._absorb)

    def _absorb(self, changes: StoreChanges, record: Record) -> None:
        key, value = record.key or b"", record.value
        if value is None:
            changes.rows[key] = None
            return
        self._require_not_newer(value)
        header = next((each for name, each in record.headers if name == INSTANCE_HEADER), None)
        found = read_instance(header)
        at, due = (record.timestamp, None) if found is None else (found.at, _order(found))
        changes.rows[key] = (value, at, due, header)

    def _require_not_newer(self, value: bytes) -> None:
        for each in self._codecs.values():
            each.versions.require_not_newer(value)

    def _beside(self, key: bytes, value: bytes, record: InstanceRecord) -> bytes:
        written = write_instance(record)
        if len(written) > _SMALL and not self._limits.fits(self._changelog, key, value, [(INSTANCE_HEADER, written)]):
            size = len(key) + len(value) + len(written)
            raise too_large("a process instance, with what it waits for,", size, self._limits.room(self._changelog))
        return written


def _order(record: InstanceRecord) -> bytes | None:
    at = record.next_due
    return None if at is None else due_order(at)


def _joined(state: Stored, beside: bytes | None) -> Instance:
    return Instance(state=state, record=read_instance(beside) or InstanceRecord())
