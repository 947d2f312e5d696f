"""What the users of the bank's tills would write: groups in which events count under other keys than the tills'."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from typing import Any

from msgspec.structs import replace

from tests.kit.bank import NAMESPACE as JARS
from tests.kit.bank import RECEIVER
from tests.kit.bank_jars import FULL
from tests.kit.samples.bank.jars import PutCoins, ShakeJar, TakeCoins
from tests.kit.samples.bank.tills import CoinsMoved, MinuteRow, OwnerRow, SavingState
from verbwire import Context, Outcome, OutcomeContext, Process, Rejected, Table, Window, tagged
from verbwire.declarations.parking import Parking
from verbwire.deploy.group_plan import GroupPlan
from verbwire.messages import Kind
from verbwire.wire.partitioner import partition_of

NAMESPACE = "bank.tills"
OWNERS = "bank.owners"
MINUTES, OWN_MINUTES = "bank.minutes", "bank.own_minutes"
SAVINGS = "bank.savings"
GROUPS = (
    GroupPlan(RECEIVER, Kind.COMMAND, (JARS,), ("state",)),
    GroupPlan(OWNERS, Kind.EVENT, (NAMESPACE,), ("owners",), rekeys=True, heeds=True, parks=True),
    GroupPlan(MINUTES, Kind.EVENT, (NAMESPACE,), ("minutes",), heeds=True, parks=True),
    GroupPlan(OWN_MINUTES, Kind.EVENT, (NAMESPACE,), ("own_minutes",), rekeys=True, heeds=True, parks=True),
    GroupPlan(SAVINGS, Kind.EVENT, (NAMESPACE,), ("state",), outcomes=(JARS,), rekeys=True, heeds=True, parks=True),
)

MINUTE = Window(timedelta(minutes=1), lateness=timedelta(seconds=30), retention=timedelta(minutes=10))


def owners(mended: bool = False, parking: Parking | None = None) -> Table[OwnerRow]:
    """The table of what each owner has moved, at whatever till; nobody's coins are in nobody's row."""
    table = Table(OWNERS, row=OwnerRow, parking=parking)

    @table.rekeys
    def owner(event: CoinsMoved) -> str | None:
        if event.how == "no key" and not mended:
            raise RuntimeError("whose is it?")
        return "" if event.how == "empty key" and not mended else event.owner

    @table.on
    def moved(row: OwnerRow | None, event: CoinsMoved, context: Context) -> OwnerRow:
        if event.how == "raises" and not mended:
            raise RuntimeError("the till is jammed")
        row = row or OwnerRow(owner=event.owner or "")
        told = f"{context.id} {context.topic}/{context.partition}/{context.offset} {context.time.isoformat()}"
        return replace(row, pence=row.pence + event.pence, seen=(*row.seen, told))

    return table


def minutes(window: Window = MINUTE, mended: bool = False, parking: Parking | None = None) -> Table[MinuteRow]:
    """What was moved at each till, minute by minute."""
    return _minutes(Table(MINUTES, row=MinuteRow, window=window, parking=parking), mended)


def own_minutes(window: Window = MINUTE) -> Table[MinuteRow]:
    """What each owner has moved, minute by minute."""
    table = _minutes(Table(OWN_MINUTES, row=MinuteRow, window=window, parking=None))

    @table.rekeys
    def owner(event: CoinsMoved) -> str | None:
        return event.owner

    return table


def _minutes(table: Table[MinuteRow], mended: bool = False) -> Table[MinuteRow]:
    @table.on
    def moved(row: MinuteRow | None, event: CoinsMoved, context: Context) -> MinuteRow | None:
        match "" if mended else event.how:
            case "delete":
                return None
            case "leave":
                return row
            case "raises":
                raise RuntimeError("no such minute")
        assert context.window is not None
        row = row or MinuteRow(owner=event.owner or event.till_id, minute=context.window)
        return replace(row, pence=row.pence + event.pence)

    return table


def savings(mended: bool = False, parking: Parking | None = None) -> Process[SavingState]:
    """The process that puts what an owner moves into the jar of that name, and says what became of it."""
    process = Process(
        SAVINGS,
        state=SavingState,
        sends=[PutCoins, TakeCoins],
        ignores=[TakeCoins],
        scopes=["jars:write"],
        parking=parking,
    )

    @process.on(key="owner")
    def moved(state: SavingState | None, event: CoinsMoved) -> Any:
        owner = event.owner or ""
        state = state or SavingState(owner=owner)
        state = replace(state, pence=state.pence + event.pence)
        put = PutCoins(jar_id=owner, pence=event.pence)
        match "" if mended else event.how:
            case "two commands":
                return state, put, TakeCoins(jar_id=owner, pence=1)
            case "tagged":
                return state, tagged("first", put), tagged("second", PutCoins(jar_id=owner, pence=FULL + 1))
            case "no command":
                return state
            case "over":
                return None
            case "over, with a command":
                return None, put
            case "raises":
                raise RuntimeError("no such jar")
            case "undeclared command":
                return state, ShakeJar(jar_id=owner)
            case "command beyond its type":
                return state, PutCoins(jar_id=owner, pence=2**31)
            case "command without key":
                return state, PutCoins(jar_id="", pence=1)
            case "no state":
                return put
            case "state under another key":
                return SavingState(owner="elsewhere"), put
        return state, put

    @process.outcome_of(PutCoins)
    def answered(state: SavingState | None, outcome: Outcome, context: OutcomeContext) -> Any:
        state = state or SavingState(owner="gone")
        told = type(outcome).__name__ + (f" {outcome.code}" if isinstance(outcome, Rejected) else "")
        state = replace(state, told=(*state.told, f"{told} of {context.tag or context.correlation_id}"))
        return (state, TakeCoins(jar_id=state.owner, pence=1)) if isinstance(outcome, Rejected) else state

    return process


def silent_savings() -> Process[SavingState]:
    """A version of that process that sends nothing, and so hears no outcomes."""
    process = Process(SAVINGS, state=SavingState, parking=None)

    @process.on(key="owner")
    def moved(state: SavingState | None, event: CoinsMoved) -> SavingState | None:
        return state

    return process


def taking(ignores: bool = False) -> Process[SavingState]:
    """The next version of that process, in which nothing is put into jars any more."""
    process = Process(
        SAVINGS,
        state=SavingState,
        sends=[TakeCoins],
        ignores=[PutCoins] if ignores else [],
        scopes=["jars:write"],
        parking=None,
    )

    @process.on(key="owner")
    def moved(state: SavingState | None, event: CoinsMoved) -> Any:
        return state, TakeCoins(jar_id=event.owner or "", pence=event.pence)

    @process.outcome_of(TakeCoins)
    def answered(state: SavingState | None, outcome: Outcome) -> SavingState | None:
        return state

    return process


def living_in(partition: int, partitions: int, nth: int = 0, prefix: str = "o") -> str:
    """The `nth` name whose key belongs to that partition."""
    names = (f"{prefix}{number}" for number in count())
    found = (name for name in names if partition_of(name.encode(), partitions) == partition)
    return next(name for number, name in enumerate(found) if number == nth)
