"""A whole project in memory: `InMemory`, the driver that tests use."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from pathlib import Path
from types import TracebackType
from typing import Any, Never, Self, TypeVar, overload

from verbwire.client.base.connection import Connection
from verbwire.client.producing.ack import Position
from verbwire.contracts.schema.model import Catalog
from verbwire.declarations import Declared
from verbwire.declarations.aggregate import Aggregate
from verbwire.declarations.job import Job
from verbwire.declarations.process import Process
from verbwire.declarations.process_versions import by_group
from verbwire.declarations.requirements import require_fit
from verbwire.declarations.resource import Resource
from verbwire.declarations.responder import Responder
from verbwire.declarations.schedule import Schedule
from verbwire.declarations.scheduler import Scheduler, schedulers
from verbwire.declarations.subscriber import Subscriber
from verbwire.declarations.table import Table
from verbwire.errors import ContractError
from verbwire.handling.handler_loop import HandlerLoop
from verbwire.messages import Command, Event, Outcome, Page, Query, Rejected, Row, State
from verbwire.observability.watch.handlers import HandlerWatch
from verbwire.principal import Principal
from verbwire.project import Project, load_project
from verbwire.queries.check import require_queries
from verbwire.requests.sender import RequestSender
from verbwire.settings import load_settings
from verbwire.testing.memory.client import MemoryClient
from verbwire.testing.memory.clock import MemoryClock
from verbwire.testing.memory.engine_groups import MemoryEngineGroup
from verbwire.testing.memory.grants import MemoryGrants
from verbwire.testing.memory.groups import MemoryGroup, MemoryReplies, MemoryServices
from verbwire.testing.memory.history import CommandOutcome, LetterInMemory, MemoryHistory
from verbwire.testing.memory.parked import MemoryParking, require_none_parked, require_running
from verbwire.testing.memory.parked_key import ParkedInMemory
from verbwire.testing.memory.queries import MemoryQueries
from verbwire.testing.memory.rebuilt import RebuiltTable, folded_anew
from verbwire.testing.memory.registry import MemoryRegistry
from verbwire.testing.memory.subscriber_groups import MemorySubscriberGroup
from verbwire.testing.memory.topics import MemoryProducer, MemoryTopics
from verbwire.wire.codec.topics import OWN, Codec
from verbwire.wire.records.instance_requests import CANCEL
from verbwire.wire.records.requests import RETRY
from verbwire.wire.records.scheduled import ScheduledRecord
from verbwire.worker.known_topics import known_topics
from verbwire.worker.query_handlers import query_handlers

A = TypeVar("A")  # what a command is replied to, or a query answered, with
E = TypeVar("E", bound=Event)
C = TypeVar("C", bound=Command)
R = TypeVar("R", bound=Row)
S = TypeVar("S", bound=State)
_NOWHERE = "127.0.0.1:1"  # an address that nothing connects to
_MOST_ROUNDS = 10_000


class InMemory:
    """A project's worker in memory: no broker, no thread, no waiting. Everything is done before a call returns.

    ::

        >>> from datetime import UTC, datetime
        >>> from verbwire.project import load_project
        >>> from verbwire.testing import InMemory
        >>> noon = datetime(2010, 12, 1, 12, tzinfo=UTC)
        >>> place = PlaceOrder(order_id="7", customer_id="17850", country="EIRE", total_pence=500, placed_at=noon)
        >>> with InMemory(load_project(), actor="17850", scopes=["orders:write"]) as shop:
        ...     outcome = shop.ask(place)
        ...     row = shop.row(orders, "7")
        ...     found = shop.query(GetOrder(order_id="7"))
        ...     confirmed = shop.events(OrderConfirmed)
        >>> outcome.reply.total_pence, row.status.value, found == row, [each.order_id for each in confirmed]
        (500, 'CONFIRMED', True, ['7'])

    The code that decides is the worker's own: messages pass through the encoder and the reader, receivers check
    permissions, grants, bounds, ids and deadlines, tables and processes run on the engine's processors and local
    stores, subscribers and jobs by their attempts, queries through the endpoints of HTTP. What a cluster adds is not
    here: several workers, restarts, redeployment, waiting between attempts.

    It is made of a :class:`~verbwire.project.Project`, or of single declarations with their `catalog`; of neither, the
    project is found from the working folder upwards. `actor` and `scopes` are who sends and asks, by default those of
    the settings: without an actor a receiver refuses what is not public, here as there. Topics have one partition
    unless `partitions` says otherwise. The clock starts at `now`, by default this moment, and moves by `advance` alone.
    Resources are opened, those of the project or those given beside single declarations, unless they hold a value
    already (:meth:`verbwire.Resource.holding`).

    A handler of an aggregate, subscriber or job that raises is an outcome, or a dead letter; one of a table, a process
    or a subscriber that parks raises :class:`RecordParkedError` here once all else has happened, and its key is parked;
    of a table or a process without parking, or where no more is parked, :class:`GroupStoppedError`, and its group is
    stopped. Close it after use, best by ``with``.
    """

    def __init__(
        self,
        *declared: Project | Declared | Responder | Schedule | Resource[Any],
        catalog: Catalog | None = None,
        actor: str | None = None,
        scopes: Iterable[str] | None = None,
        partitions: int = 1,
        now: datetime | None = None,
    ) -> None:
        project = self._project = _project_of(declared, catalog)
        settings = project.settings
        require_queries(project.catalog, project.tables, project.responders)
        for each in project.declared.values():
            require_fit(each, project.catalog)
        who = Principal(
            (settings.actor if actor is None else actor) or "",
            tuple(settings.scopes if scopes is None else scopes),
        )
        clock = self._clock = MemoryClock(now or datetime.now(UTC))
        registry = MemoryRegistry([*project.catalog, *OWN.values()], settings.names)
        codec = self._codec = Codec(project.catalog, registry, settings.names)
        grants = MemoryGrants(settings.grants, clock)
        self._connection = Connection(_NOWHERE, "", settings.names, project.catalog, who, grants=grants)
        self._topics = MemoryTopics(partitions, clock)
        self._producer = MemoryProducer(self._topics)
        self._parking = MemoryParking(RequestSender(self._connection, registry, self._producer))
        self._told = MemoryReplies()
        self._history = MemoryHistory(codec, self._topics)
        self._paused: set[str] = set()
        self._rebuilt = 0
        with ExitStack() as opened:
            folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="verbwire-in-memory-")))
            loop = HandlerLoop()
            opened.callback(loop.close)
            loop.open([each for each, _ in project.resources])
            services = MemoryServices(self._connection, codec, self._topics, clock, grants, self._told, folder, loop)
            self._services = services
            self._groups: dict[str, MemoryGroup] = {}
            for name, each in project.declared.items():
                self._groups[name] = services.group(each)
                opened.callback(self._groups[name].close)
            self._queries = _queries(project, services, self._groups)
            opened.callback(self._queries.close)
            self._close = weakref.finalize(self, opened.pop_all().close)
        self._client = self.acting_as(who.actor, who.scopes)

    # -- the four verbs

    def publish(self, event: Event, *, id: str | None = None) -> Position:
        """Publish an event, and let happen whatever comes of it."""
        return self._client.publish(event, id=id)

    def send(
        self,
        command: Command,
        *,
        id: str | None = None,
        ttl: float | None = None,
        at: datetime | None = None,
        after: timedelta | None = None,
    ) -> Position:
        """Send a command, and let happen whatever comes of it; its outcome is among `outcomes`.

        What is sent for later, `at` a time or `after` a while, waits for :meth:`advance`.
        """
        return self._client.send(command, id=id, ttl=ttl, at=at, after=after)

    def cancel(self, command: type[Command], key: object, id: str) -> Outcome[Any]:
        """Cancel a command that was sent for later, by its class, key and id; return the outcome of that."""
        return self._client.cancel(command, key, id)

    def send_all(self, commands: Iterable[Command]) -> None:
        """Send many commands before the first is carried out: they are taken in batches, as under load."""
        for command in commands:
            self._client.enqueue(command)
        self.run()

    def ask(self, command: Command[A], *, id: str | None = None, ttl: float | None = None, **more: Never) -> Outcome[A]:
        """Send a command and return its outcome, once whatever comes of it has happened, too."""
        return self._client.ask(command, id=id, ttl=ttl, **more)

    def query(self, query: Query[A], *, after: Page[Any] | None = None) -> A:
        """Return the reply to a query, or a :class:`~verbwire.client.Page` of replies. Raises as `Client.query`."""
        return self._client.query(query, after=after)

    def acting_as(self, actor: str | None, scopes: Iterable[str] = ()) -> MemoryClient:
        """Return a client that does the same on somebody else's behalf."""
        connection = replace(self._connection, principal=Principal(actor or "", scopes))
        return MemoryClient(self, connection, self._producer, self._codec)

    # -- time, and groups that are down

    @property
    def now(self) -> datetime:
        """The time in memory."""
        return self._clock.now

    def advance(self, by: timedelta | float) -> None:
        """Let time pass, seconds where `by` is a number. Commands that wait may expire, grants too; jobs that were
        requeued are tried again.

        What falls due meanwhile happens in order of its time, with whatever comes of it, while the clock says that
        time: deadlines of processes, scheduled commands, schedules. Nothing does of a group that is paused.

        Windows close by the newest event time alone, not by this clock (see :class:`~verbwire.Window`): publish a later
        event. How far that may be ahead of the record is measured by this clock.
        """
        until = self._clock.then(by)
        while (due := self._next_due()) is not None and due < until.timestamp() * 1000:
            self._clock.reach(due)
            self.run()
        self._clock.now = until
        for group in self._groups.values():
            if isinstance(group, MemorySubscriberGroup):
                group.retry()
        self.run()

    @contextmanager
    def paused(self, *groups: Declared | str) -> Iterator[None]:
        """Keep groups from reading, as if their worker were down; they go on where they were at the block's end."""
        names = {self._group(each).name for each in groups}
        self._paused |= names
        try:
            yield
        finally:
            self._paused -= names
        self.run()

    # -- what came of it

    @overload
    def rows(self, declared: Table[R]) -> dict[Any, R]: ...
    @overload
    def rows(self, declared: Aggregate[S] | Process[S]) -> dict[Any, S]: ...
    @overload
    def rows(self, declared: Scheduler) -> dict[Any, ScheduledRecord]: ...
    def rows(self, declared: Table[Any] | Aggregate[Any] | Process[Any] | Scheduler) -> dict[Any, Any]:
        """Return the rows of a table, or the states of an aggregate or a process, by their keys.

        The key of a table of windows is a pair: what is counted, and when the window begins.
        """
        return _rows_by_key(self._engine_group(declared))

    @overload
    def row(self, declared: Table[R], *key: Any) -> R | None: ...
    @overload
    def row(self, declared: Aggregate[S] | Process[S], *key: Any) -> S | None: ...
    def row(self, declared: Table[Any] | Aggregate[Any] | Process[Any], *key: Any) -> Any:
        """Return the row or state of one key, None where there is none."""
        return self.rows(declared).get(key if len(key) > 1 else key[0])

    def events(self, *classes: type[E]) -> list[E]:
        """Return all events of these classes that were published, by whomever, in order."""
        return self._history.messages(classes, self._connection.names.events)

    def commands(self, *classes: type[C]) -> list[C]:
        """Return all commands of these classes that were sent, by whomever, in order."""
        return self._history.messages(classes, self._connection.names.commands)

    def outcomes(self, *classes: type[Command]) -> list[CommandOutcome]:
        """Return the outcomes of all commands so far, or of those of these classes, in order."""
        wanted = {cls.__contract__ for cls in classes}
        return [each for each in self._history.outcomes() if not wanted or each.command in wanted]

    def scheduled(self, *classes: type[C]) -> list[C]:
        """Return the commands of these classes that are sent for later and still wait, in order of their time."""
        rows = [row for each in self._project.schedulers for row in self.rows(each).values()]
        waiting = sorted((row for row in rows if row.value is not None), key=attrgetter("due", "place"))
        return self._history.decoded(classes, self._connection.names.commands, [each.value for each in waiting])

    @property
    def rejections(self) -> list[CommandOutcome]:
        """The outcomes of the commands that were rejected."""
        return [each for each in self.outcomes() if isinstance(each.outcome, Rejected)]

    @property
    def dead_letters(self) -> list[LetterInMemory]:
        """The records that groups gave up."""
        return [*self._history.dead_letters(self._groups)]

    @property
    def stopped(self) -> dict[str, str]:
        """The groups that are stopped since a handler raised, and why."""
        return {each.name: each.stopped for each in self._groups.values() if each.stopped is not None}

    def parked(self, declared: Table[Any] | Process[Any] | Subscriber) -> dict[Any, ParkedInMemory]:
        """Return what is parked of a table or a process, by key as in `rows`, or of a subscriber, by its events' key.

        Of a subscriber to events of several namespaces that is ``namespace:key``, as text.
        """
        return self._parking.keys(self._group(declared))

    def retry_parked(self, declared: Table[Any] | Process[Any] | Subscriber, *key: Any) -> None:
        """Have the parked records of a key handled again, in order, as `verbwire parked retry` does."""
        self._parking.ask(RETRY, self._group(declared), key)
        self.run()

    def skip_parked(self, declared: Table[Any] | Process[Any] | Subscriber, *key: Any, why: str = "") -> None:
        """Give up the first parked record of a key, and have the others handled, as `verbwire parked skip` does."""
        self._parking.skip(self._group(declared), key, why)
        self.run()

    def cancel_instance(self, process: Process[Any], key: Any, why: str = "test") -> None:
        """Have an instance of a process cancelled, as `verbwire processes cancel` does."""
        self._parking.ask(CANCEL, self._engine_group(process), (key,), why=why)
        self.run()

    def rebuild(self, table: Table[R]) -> RebuiltTable[R]:
        """Fold all events so far anew by the handlers of a table as they are now; return the rows, and what differs.

        What ``verbwire rebuild`` would build and compare. The table itself stays as it is: `table` may be the declared
        one after its handlers were changed, or another declaration of the same name and row.
        """
        self._rebuilt += 1
        rows: dict[Any, R] = folded_anew(self._services, table, self._rebuilt, _rows_by_key)
        return RebuiltTable.beside(_rows_by_key(self._engine_group(table)), rows)

    def late(self, table: Table[Any]) -> int:
        """Return how many events a table of windows has left out, since their window was over."""
        group = self._group(table)
        return group.counts.get(("late",), 0) if isinstance(group, MemoryEngineGroup) else 0

    # -- its life

    def run(self) -> None:
        """Let all groups process what there is, until nothing is left. The verbs do so by themselves."""
        stopped = {*self.stopped}
        for _ in range(_MOST_ROUNDS):
            if not [name for name, each in self._groups.items() if name not in self._paused and each.step()]:
                break
        else:
            raise AssertionError(
                f"after {_MOST_ROUNDS} rounds there is still something to do: do handlers cause each other in a circle?"
            )
        for each in self._groups.values():
            if each.name not in stopped:
                require_running(each)
        for each in self._groups.values():
            require_none_parked(each)

    def close(self) -> None:
        """Remove what it keeps; closing twice is fine."""
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- for its clients

    def outcome_of(self, command: type[Command[A]], id: str) -> Outcome[A] | None:
        """Return what was told of a command that was just asked; None while its receiver is paused."""
        found = self._told.outcomes.pop(id, None)
        if found is None:
            self._require_receiver(command)
            return None
        return self._history.outcome(found)

    def answer(self, query: Query[A], principal: Principal, after: Page[Any] | None) -> A:
        """Return the reply to a query, or a page of them."""
        reply: A = self._queries.query(query, principal, after)
        return reply

    # -- inside

    def _group(self, declared: object) -> MemoryGroup:
        name = declared if isinstance(declared, str) else getattr(declared, "group", repr(declared))
        if name not in self._groups:
            raise ContractError(f"{name} is no group of this project: there are {', '.join(sorted(self._groups))}")
        return self._groups[name]

    def _next_due(self) -> int | None:
        """Return when something falls due next in a group that is not paused."""
        engines = [each for name, each in self._groups.items() if name not in self._paused]
        dues = [each.next_due() for each in engines if isinstance(each, MemoryEngineGroup)]
        return min((each for each in dues if each is not None), default=None)

    def _engine_group(self, declared: object) -> MemoryEngineGroup:
        group = self._group(declared)
        assert isinstance(group, MemoryEngineGroup)  # noqa: S101 (that is what these declarations become)
        return group

    def _require_receiver(self, command: type[Command]) -> None:
        namespace = self._project.catalog.of(command).namespace
        receivers = [each for each in self._project.declared.values() if isinstance(each, Aggregate | Job | Process)]
        if not any(each.namespace == namespace for each in receivers):
            raise ContractError(
                f"nobody here receives {command.__name__}: give InMemory the Aggregate({namespace!r}, ...) as well"
            )


def _rows_by_key(group: MemoryEngineGroup) -> dict[Any, Any]:
    fields = group.row.key
    found: dict[Any, Any] = {}
    for value in group.rows():
        row: Any = group.topology.decode(value)
        key = tuple(getattr(row, field) for field in fields)
        found[key if len(fields) > 1 else key[0]] = row
    return found


def _project_of(
    declared: tuple[Project | Declared | Responder | Schedule | Resource[Any], ...], catalog: Catalog | None
) -> Project:
    if len(declared) == 1 and isinstance(declared[0], Project):
        return declared[0]
    if any(isinstance(each, Project) for each in declared):
        raise TypeError("InMemory takes one Project, or declarations: not both")
    if not declared:
        return load_project(load_settings())
    settings = load_settings()
    apart = (Responder, Project, Resource, Schedule)
    groups = by_group(each for each in declared if not isinstance(each, apart))
    responders = tuple(each for each in declared if isinstance(each, Responder))
    resources = tuple((each, None) for each in declared if isinstance(each, Resource))
    catalog = catalog or load_project(settings).catalog
    schedules = [each for each in declared if isinstance(each, Schedule)]
    groups |= {each.group: each for each in schedulers(groups.values(), schedules, catalog)}
    return Project(settings, catalog, groups, responders, resources=resources)


def _queries(project: Project, services: MemoryServices, groups: dict[str, MemoryGroup]) -> MemoryQueries:
    tables = []
    for declared in project.tables:
        group = groups[declared.group]
        assert isinstance(group, MemoryEngineGroup)  # noqa: S101 (that is what a table becomes)
        tables.append(services.table(group, declared.row))
    answers = query_handlers(project, tables, HandlerWatch, services.loop)
    return MemoryQueries(project.catalog, answers, known_topics(project, project.settings.names))
