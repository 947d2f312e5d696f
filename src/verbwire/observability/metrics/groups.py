"""Counts what the groups of a worker do; the engine counts once a batch, never once a record."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial

from prometheus_client import CollectorRegistry

from verbwire.observability.metrics.specs import CounterSpec, GaugeSpec, HistogramSpec

GROUP = ("group",)
_BATCH_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
_LATENESS_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)
_COMMIT_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)

RECORDS = CounterSpec(
    "records",
    "Records handled: by the engine in committed transactions, by subscribers and jobs once finished.",
    "`rate(...)` is the throughput. Zero while lag grows: look at `verbwire_partitions` and `verbwire status`.",
    GROUP,
)
TRANSACTIONS = CounterSpec(
    "transactions",
    "Transactions of a group by result: committed, or aborted (also where that is not known).",
    "A few aborted ones belong to rebalances and broker restarts. A rising share means work done in vain: see "
    "`verbwire_aborts_total` for the reason.",
    (*GROUP, "result"),
)
ABORTS = CounterSpec(
    "aborts",
    "Aborted transactions by reason: the broker's name of the error, or the class of ours.",
    "ILLEGAL_GENERATION, FencedError: rebalances. FailedTransaction: a record that the broker refuses, or a missing "
    "ACL; the log names it. UnavailableError, _TIMED_OUT: the broker.",
    (*GROUP, "reason"),
)
RESETS = CounterSpec(
    "resets",
    "Times that a group's partitions were started over from what is committed.",
    "More than a few an hour: look at `verbwire_aborts_total` and the log.",
    GROUP,
)
BATCH = HistogramSpec(
    "batch_seconds",
    "Time that a group's thread takes to build one transaction: decode, handlers, encode.",
    "`rate(..._sum)` is how busy the group's thread is: near 1 it is the limit, add workers. `rate(..._sum)` by "
    "`rate(verbwire_records_total)` is the time a record takes.",
    GROUP,
    buckets=_BATCH_SECONDS,
)
COMMIT = HistogramSpec(
    "commit_seconds",
    "Time that one transaction takes from the flush to the local write after its commit.",
    "Seconds: the broker's disks or its transaction coordinator are slow, or the worker's disk.",
    GROUP,
    buckets=_COMMIT_SECONDS,
)
LATENESS = HistogramSpec(
    "due_lateness_seconds",
    "By how much later than it was due something was fired: a deadline, a scheduled command, a schedule.",
    "Seconds: the group's thread is busy, or the group was down. What falls due in a rebalance waits for its end.",
    GROUP,
    buckets=_LATENESS_SECONDS,
)
OVERDUE = GaugeSpec(
    "due_overdue_seconds",
    "For how long what is due next has been due at this worker: deadlines, scheduled commands, schedules.",
    "Growing: the partition is stopped or behind its inputs, `verbwire status` says which and why.",
    GROUP,
)
SCHEDULED = CounterSpec(
    "scheduled",
    "What a scheduler does: commands taken, delivered, cancelled, refused for their grant; schedules fired; failed.",
    "failed: a schedule's function raised, or a command could not be signed; it is tried again each minute, the log "
    "and `verbwire scheduled list` say why. refused: see the receiver's outcomes.",
    (*GROUP, "event"),
)
OUTCOMES = CounterSpec(
    "outcomes",
    "Commands by what became of them: status accepted, rejected, failed or expired; code of a rejection, else empty.",
    "failed: a handler raised, see `verbwire dead-letters`. expired: the receiver was slower than the time to live. "
    "rejected: as the domain has it; a sudden rise of one code is a client's or a contract's change.",
    (*GROUP, "command", "status", "code"),
)
DUPLICATES = CounterSpec(
    "duplicates",
    "Commands with a known id, answered with their first outcome.",
    "Retries of clients. A high share: they give up too early.",
    GROUP,
)
LATE = CounterSpec(
    "late",
    "Events that a table left out because their window had closed too long ago.",
    "Any: give the window more `lateness`, or find out why events come late.",
    GROUP,
)
DEAD_LETTERS = CounterSpec(
    "dead_letters",
    "Records sent to the dead letters, by reason.",
    "Any: `verbwire dead-letters list GROUP`, mend the cause, `verbwire dead-letters retry GROUP`.",
    (*GROUP, "reason"),
)
PARTITIONS = GaugeSpec(
    "partitions",
    "Partitions of a group at this worker by state: restoring, running, retrying, stopped, suspended, closed.",
    "stopped waits for an operator, retrying for a disk: `verbwire status` says why.",
    (*GROUP, "state"),
)
GROUP_PARTITIONS = GaugeSpec(
    "group_partitions",
    "Partitions that a group has in all, wherever they are.",
    "More than all workers together have in `verbwire_partitions` (closed ones aside): some have no owner.",
    GROUP,
)
RUNNING = GaugeSpec(
    "handler_running_seconds",
    "How long the longest-running handler call of a group, responder or query has been running, to about a second.",
    "Seconds: the group stands still behind it. The log names handler and record; SIGUSR1 prints all threads.",
    GROUP,
)
RESTORED = CounterSpec(
    "restore_rows",
    "Rows restored from changelogs.",
    "Its rate beside `verbwire_restore_remaining_records` is the time that a restore still takes.",
    GROUP,
)
RESTORE_REMAINING = GaugeSpec(
    "restore_remaining_records",
    "Offsets of changelogs that the restore under way has yet to read.",
    "Not falling: the broker, or a transaction of a dead worker that is still open (10 to 20 s).",
    GROUP,
)
CATCH_UP = GaugeSpec(
    "catch_up_records",
    "Records that a table has yet to read to reach the ends that its inputs had when it was started.",
    'Until it is zero answers say `"complete": false`.',
    GROUP,
)
TABLE_DEAD_LETTERS = GaugeSpec(
    "table_dead_letters",
    "Dead letters among all records that the partitions on this worker ever read.",
    "More than zero: rows may lack them. `verbwire dead-letters list GROUP`.",
    GROUP,
)

PARKED_KEYS = GaugeSpec(
    "parked_keys",
    "Keys on this worker whose records are parked, since one of them cannot be handled.",
    "More than zero: `verbwire parked list GROUP`, mend the handler, `verbwire parked retry GROUP`.",
    GROUP,
)
PARKED_RECORDS = GaugeSpec(
    "parked_records",
    "Records on this worker that are parked: those that cannot be handled, and all later ones of their keys.",
    "Growing: at the limits of the group's `Parking` its partition stops.",
    GROUP,
)
PARKED_OLDEST = GaugeSpec(
    "parked_oldest_seconds",
    "How long the oldest parked key on this worker has been waiting, zero where none is.",
    "How long rows have been without what happened to them.",
    GROUP,
)

SPECS = (
    *(
        RECORDS,
        TRANSACTIONS,
        ABORTS,
        RESETS,
        BATCH,
        COMMIT,
        LATENESS,
        OVERDUE,
        SCHEDULED,
        OUTCOMES,
        DUPLICATES,
        LATE,
        DEAD_LETTERS,
    ),
    *(PARTITIONS, GROUP_PARTITIONS, RUNNING, RESTORED, RESTORE_REMAINING, CATCH_UP, TABLE_DEAD_LETTERS),
    *(PARKED_KEYS, PARKED_RECORDS, PARKED_OLDEST),
)

STATUSES = ("accepted", "failed", "expired")
"""Of outcomes without a code."""
NO_COMMAND = "none"
DEAD_LETTER_REASONS = ("undecodable", "failed", "id-reused", "skipped")


class GroupCollectors:
    """The collectors that all groups of a worker count in."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.records = RECORDS.on(registry)
        self.transactions = TRANSACTIONS.on(registry)
        self.aborts = ABORTS.on(registry)
        self.resets = RESETS.on(registry)
        self.batch = BATCH.on(registry)
        self.commit = COMMIT.on(registry)
        self.lateness = LATENESS.on(registry)
        self.overdue = OVERDUE.on(registry)
        self.scheduled = SCHEDULED.on(registry)
        self.outcomes = OUTCOMES.on(registry)
        self.duplicates = DUPLICATES.on(registry)
        self.late = LATE.on(registry)
        self.dead_letters = DEAD_LETTERS.on(registry)
        self.partitions = PARTITIONS.on(registry)
        self.group_partitions = GROUP_PARTITIONS.on(registry)
        self.running = RUNNING.on(registry)
        self.restored = RESTORED.on(registry)
        self.restore_remaining = RESTORE_REMAINING.on(registry)
        self.catch_up = CATCH_UP.on(registry)
        self.table_dead_letters = TABLE_DEAD_LETTERS.on(registry)
        self.parked_keys = PARKED_KEYS.on(registry)
        self.parked_records = PARKED_RECORDS.on(registry)
        self.parked_oldest = PARKED_OLDEST.on(registry)


class GroupMetrics:
    """What one group counts; a few calls per batch, none per record. Safe to call from any thread."""

    def __init__(self, collectors: GroupCollectors, name: str) -> None:
        self._all = collectors
        self._name = name
        self._records = collectors.records.labels(name)
        self._committed = collectors.transactions.labels(name, "committed")
        self._aborted = collectors.transactions.labels(name, "aborted")
        self._batch = collectors.batch.labels(name)
        self._commit = collectors.commit.labels(name)
        self._resets = collectors.resets.labels(name)
        self._duplicates = collectors.duplicates.labels(name)
        self._late = collectors.late.labels(name)
        self._restored = collectors.restored.labels(name)
        self._commands: Collection[str] = ()
        self._restore_remaining = collectors.restore_remaining.labels(name)
        for reason in DEAD_LETTER_REASONS:
            collectors.dead_letters.labels(name, reason)

    # -- declared at the start, so that everything that is known counts from zero

    def receives(self, commands: Mapping[str, Collection[str]]) -> None:
        """The group receives these commands (full names), which may be rejected with these codes."""
        self._commands = frozenset(commands)
        for command, codes in commands.items():
            for status in STATUSES:
                self._all.outcomes.labels(self._name, command, status, "")
            for code in codes:
                self._all.outcomes.labels(self._name, command, "rejected", code)

    def has_partitions(self, number: int) -> None:
        """The group has so many partitions, at all workers together."""
        self._all.group_partitions.labels(self._name).set(number)

    # -- counted

    def built(self, seconds: float) -> None:
        """A transaction was built, which took so long."""
        self._batch.observe(seconds)

    def committed(self, records: int, seconds: float) -> None:
        """A transaction with `records` was committed, which took so long."""
        self._records.inc(records)
        self._committed.inc()
        self._commit.observe(seconds)

    def fired(self, lateness: Iterable[float]) -> None:
        """Rows of a committed transaction had fallen due so many seconds before; none counts the group in."""
        observe = self._all.lateness.labels(self._name).observe
        for seconds in lateness:
            observe(seconds)

    def aborted(self, reason: str) -> None:
        """A transaction failed; `reason` is one of few words, like an error code of the broker."""
        self._aborted.inc()
        self._all.aborts.labels(self._name, reason).inc()

    def reset(self) -> None:
        """Partitions are started over as if newly assigned."""
        self._resets.inc()

    def handled(self, records: int = 1) -> None:
        """A subscriber or a job is done with records."""
        self._records.inc(records)

    def dead_lettered(self, reason: str, records: int = 1) -> None:
        """Records went to the dead letters; `reason` is one of few words (``undecodable``, ``failed``)."""
        self._all.dead_letters.labels(self._name, reason).inc(records)

    def duplicates(self, commands: int) -> None:
        """Commands whose id was known already."""
        self._duplicates.inc(commands)

    def late(self, events: int) -> None:
        """Events whose window had been over for longer than its lateness."""
        self._late.inc(events)

    def outcome(self, command: str, status: str, code: str = "", commands: int = 1) -> None:
        """Commands had this outcome; one that the group does not receive (a record's own word) is counted as "none"."""
        command = command if command in self._commands else NO_COMMAND
        self._all.outcomes.labels(self._name, command, status, code).inc(commands)

    def counted(self, counts: Mapping[tuple[str, ...], int]) -> None:
        """Add what a committed transaction has counted: the metric's name, then its labels beside the group."""
        for what, n in counts.items():
            match what:
                case ("dead_lettered", reason):
                    self.dead_lettered(reason, n)
                case ("outcome", command, status, code):
                    self.outcome(command, status, code, n)
                case ("scheduled", event):
                    self._all.scheduled.labels(self._name, event).inc(n)
                case ("late",):
                    self.late(n)
                case ("duplicate",):
                    self.duplicates(n)

    def restored(self, rows: int) -> None:
        """Rows read back from a changelog."""
        self._restored.inc(rows)

    def restore_remaining(self, records: int) -> None:
        """Set how much the restore under way has yet to read; 0 when there is none."""
        self._restore_remaining.set(records)

    def states(self, partitions: Mapping[str, int]) -> None:
        """Say how many partitions of the group are in each state here (`engine/state/partition_state.py`)."""
        for state, number in partitions.items():
            self._all.partitions.labels(self._name, state).set(number)

    def table(self, behind: Callable[[], float], dead_letters: Callable[[], float]) -> None:
        """Ask these whenever the metrics are read: by how many records the table is behind, and its dead letters."""
        self._all.catch_up.labels(self._name).set_function(behind)
        self._all.table_dead_letters.labels(self._name).set_function(dead_letters)

    def dues(self, overdue: Callable[[], float]) -> None:
        """Ask this whenever the metrics are read: for how many seconds something has been due."""
        self._all.overdue.labels(self._name).set_function(overdue)

    def parks(self, parked: Callable[[], Sequence[float]]) -> None:
        """Ask this whenever the metrics are read: how many keys and records are parked, and for how many seconds."""
        for number, each in enumerate((self._all.parked_keys, self._all.parked_records, self._all.parked_oldest)):
            each.labels(self._name).set_function(partial(_one, parked, number))


def _one(values: Callable[[], Sequence[float]], number: int) -> float:
    return values()[number]
