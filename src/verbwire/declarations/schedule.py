"""Schedules: commands that are sent again and again, when cron says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from verbwire.declarations.sends import require_scopes
from verbwire.errors import ContractError
from verbwire.messages import Command
from verbwire.names import require_dotted

Missed: TypeAlias = Literal["latest", "all", "none"]
_MISSED = ("latest", "all", "none")
MISSED_AFTER = timedelta(minutes=1)
"""What is fired later than this was missed."""
_CHANGE = timedelta(hours=3)  # more than any clock change: what cron finds backwards is looked at forwards from there


class Schedule:
    """Sends a command to its own context whenever a cron expression says so, once for each time.

    ::

        weekly = Schedule("shop.reports.weekly", cron="0 6 * * MON", timezone="Europe/London",
                          sends=lambda due: SendReport(report_id=f"week-{due:%G-%V}"), scopes=["reports:write"])

    `name` begins with the context whose command it sends. `sends` is a command, or a function from the due time, in
    `timezone`, to one; it is pure: what it gives counts, once, whoever calls it. Actor of the command is the schedule's
    name, with these `scopes`; its id derives from name and due time, so that a firing that is repeated is the same
    command.

    Due times are as Debian's cron has them: five fields, or six with seconds first. A time that a clock change leaves
    out is due right after it; one that comes twice is due once. Schedules of every minute or hour go by elapsed time.

    What was missed while no worker ran, or since the function failed, is up to `missed`: ``"latest"`` fires the last of
    it, ``"all"`` each, in order, ``"none"`` nothing. A new schedule, or one whose cron or timezone was changed, begins
    with the next due time; one that is declared no more stops. :class:`ContractError` for a cron expression, a timezone
    or a rule that is none.
    """

    def __init__(
        self,
        name: str,
        *,
        cron: str,
        sends: Command | Callable[[datetime], Command],
        timezone: str = "UTC",
        missed: Missed = "latest",
        scopes: Sequence[str] = (),
    ) -> None:
        self.name = require_dotted(name, "schedule")
        self.namespace = name.rpartition(".")[0]
        if not self.namespace:
            raise ContractError(
                f"schedule {name!r}: put the context before it whose command it sends, like shop.{name}"
            )
        if missed not in _MISSED:
            raise ContractError(f"schedule {name}: missed={missed!r} is unknown: use one of {', '.join(_MISSED)}")
        if not (isinstance(sends, Command) or callable(sends)):
            raise ContractError(f"schedule {name} sends {sends!r}: give a command, or a function from the due time")
        self.cron, self.timezone, self.missed = cron, timezone, missed
        self.scopes = require_scopes(name, scopes)
        self._sends = sends
        self._zone = _zone(name, timezone)
        if next(self._after(datetime(2024, 1, 1, tzinfo=UTC)), None) is None:
            raise ContractError(f"schedule {name}: {cron!r} never comes")

    @property
    def said(self) -> str:
        """What decides its due times: a schedule of which it differs is another."""
        return f"{self.cron} {self.timezone}"

    def after(self, moment: datetime) -> datetime | None:
        """Return the next due time after a moment, in UTC; None where there is none within 50 years."""
        return next(self._after(moment), None)

    def fired(self, due: datetime, now: datetime) -> tuple[datetime | None, datetime | None]:
        """Return which due time is fired now, where `due` is the first that was not, and which is next.

        :data:`MISSED_AFTER` tells what was missed.
        """
        if self.missed == "all" or now - due <= MISSED_AFTER:
            return due, self.after(due)
        if self.missed == "none":
            return None, self.after(now - MISSED_AFTER)
        last = max(due, self._last(now))
        return last, self.after(last)

    def command(self, due: datetime) -> Command:
        """Return the command of a due time; whatever the function raises."""
        return self._sends if isinstance(self._sends, Command) else self._sends(due.astimezone(self._zone))

    def sent(self) -> Command | None:
        """Return the command where it is always the same one."""
        return self._sends if isinstance(self._sends, Command) else None

    def _last(self, now: datetime) -> datetime:
        """Return the last due time until now."""
        earlier = next(self._from(now, reverse=True), now)
        return max(takewhile(lambda each: each <= now, self._after(earlier - _CHANGE)), default=earlier)

    def _after(self, moment: datetime) -> Iterator[datetime]:
        """Yield the due times behind a moment, each once, in order."""
        last = moment
        for each in self._from(moment):
            if each > last:
                last = each
                yield each

    def _from(self, moment: datetime, reverse: bool = False) -> Iterator[datetime]:
        try:
            for each in CronSim(self.cron, moment.astimezone(self._zone), reverse=reverse):
                yield each.astimezone(UTC)
        except CronSimError as error:
            raise ContractError(f"schedule {self.name}: {self.cron!r} is no cron expression: {error}") from error


def _zone(name: str, timezone: str) -> ZoneInfo:
    try:
        return ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ContractError(
            f"schedule {name}: timezone {timezone!r} is unknown: use a name of the tz database, like Europe/London"
        ) from error
