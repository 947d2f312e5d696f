"""Watches the handlers of one group: logs what they raise, and shows the watchdog what they are at."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple, Protocol, TypeVar

from verbwire.kafka.record import RecordPlace, place_of
from verbwire.observability.watch.throttle import Throttle
from verbwire.observability.watch.tracebacks import LONGEST, Frame, frames_of, summary, traceback_of

log = logging.getLogger(__name__)
T = TypeVar("T")


class NamedHandler(Protocol):
    """A handler, as far as it is named."""

    @property
    def where(self) -> str:
        """Module and name."""
        ...


class EngineStep(NamedTuple):
    """A step of the engine, named like a handler."""

    where: str


class LineKind(NamedTuple):
    """What makes log lines alike, so that one a minute is enough."""

    what: str  # a handler, or how a record ended
    topic: str
    error: str = ""
    frame: Frame | None = None


class Spot:
    """What one thread is at. It sets two attributes per record, the watchdog reads them once a second."""

    __slots__ = ("at", "group", "handler")

    def __init__(self, group: str = "") -> None:
        self.group = group
        self.handler: NamedHandler | None = None
        self.at: RecordPlace | str | None = None  # None: at no handler; a new object for each run of one


_SPOT: ContextVar[Spot | None] = ContextVar("spot", default=None)


def current_spot() -> Spot | None:
    """Return what this thread, or task, is at; None where it runs no handlers."""
    return _SPOT.get()


class HandlerWatch:
    """Watches the handlers of one group. May be used from any thread, but for `spot`, which the engine's thread has.

    `patient`: they are expected to take long, so that this is no reason to warn.
    """

    def __init__(self, group: str, patient: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self.group = group
        self.patient = patient
        self.spot = Spot(group)
        self.spots = {self.spot}
        self._throttle = Throttle[LineKind](clock=clock)

    def raised(self, handler: str, record: RecordPlace | str, error: BaseException) -> str:
        """Log what a handler raised at a record, and return its traceback, empty where none of its frames is a user's.

        Once a minute for the same handler, topic, class of error and line of code; then with how many there were more.
        """
        frames, text = frames_of(error), traceback_of(error)
        kind = LineKind(handler, _topic_of(record), type(error).__name__, frames[-1] if frames else None)
        more = self._throttle.admit(kind)
        if more is not None:
            where = f"{self.group}: {handler} raised at {place_of(record)}"
            log.error("%s: %s%s%s", where, summary(error), _more(more), text and f"\n{text}")
        return text

    def dead_lettered(self, reason: str, record: RecordPlace, detail: str) -> None:
        """Log that a record goes to the dead letters, once a minute for a reason and a topic."""
        more = self._throttle.admit(LineKind(reason, record.topic))
        if more is not None:
            place = place_of(record)
            log.warning(
                "%s: %s goes to the dead letters, %s: %s%s", self.group, place, reason, detail[:LONGEST], _more(more)
            )

    def skipped(self, record: RecordPlace, why: str) -> None:
        """Log that a record is skipped as an operator has decided."""
        log.warning("%s: %s is skipped, it goes to the dead letters: %s", self.group, place_of(record), why)

    def tell_rest(self) -> None:
        """Log how many lines were held back, where their minute has passed."""
        for kind, count in self._throttle.overdue().items():
            log.error("%s: %s %s %d times more within a minute", self.group, kind.what, kind.error or kind.topic, count)

    def call(self, handler: NamedHandler, at: str, function: Callable[[], T]) -> T:
        """Call a function whose result a request waits for; it raises what that raises, but never ends the program."""
        with self.running(handler, at):
            try:
                return function()
            except SystemExit as error:
                raise RuntimeError(f"{handler.where} wanted to end the program") from error

    def enter(self) -> None:
        """Say that what this thread logs from now on is about what `spot` shows; once a batch."""
        _SPOT.set(self.spot)

    @contextmanager
    def running(self, handler: NamedHandler, at: RecordPlace | str) -> Iterator[None]:
        """Watch a handler while it runs, on any thread."""
        spot = Spot(self.group)
        spot.handler, spot.at = handler, at
        self.spots.add(spot)
        token = _SPOT.set(spot)
        try:
            yield
        finally:
            _SPOT.reset(token)
            self.spots.discard(spot)


def _topic_of(at: RecordPlace | str) -> str:
    return at if isinstance(at, str) else at.topic


def _more(count: int) -> str:
    return f" ({count} more like it were not shown)" if count else ""
