"""What the bank's users would write: a receiver and a table of jars. `how` in a message names what is to go wrong."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from tests.kit.samples.bank.books import BookClosed
from tests.kit.samples.bank.jars import (
    CoinsPut,
    CoinsTaken,
    DustJar,
    JarRow,
    JarSeal,
    JarSealed,
    JarShaken,
    JarState,
    PutCoins,
    SealJar,
    ShakeJar,
    TakeCoins,
)
from verbwire import Aggregate, Context, Rejected, Table
from verbwire.declarations.parking import Parking

FULL = 1_000_000
MOST = 1_000_000_000  # pence, by the contracts
LARGE = "x" * 999_995  # with the other fields of a row more than a record may hold
NOISE = "".join(hashlib.sha256(b"%d" % n).hexdigest() for n in range(30_000))  # compressed, too, more than that


def receiver() -> Aggregate[JarState]:
    """The receiver of the bank's commands."""
    jars = Aggregate("bank.jars", state=JarState)

    @jars.handles
    def put(command: PutCoins, jar: JarState | None, context: Context) -> Any:
        if command.how in WRONG:
            return WRONG[command.how](command)
        if jar is not None and jar.pence + command.pence > FULL:
            return Rejected("jar_full", f"{jar.pence} are in it", {"room": str(FULL - jar.pence)})
        return CoinsPut(jar_id=command.jar_id, pence=command.pence, how=command.how)

    @jars.handles
    def take(command: TakeCoins, jar: JarState | None) -> CoinsTaken | Rejected:
        if jar is None or jar.pence < command.pence:
            return Rejected("not_enough")
        return CoinsTaken(jar_id=command.jar_id, pence=command.pence)

    @jars.handles
    def shake(command: ShakeJar, jar: JarState | None) -> JarShaken:
        return JarShaken(jar_id=command.jar_id)

    @jars.handles
    def seal(command: SealJar, jar: JarState | None) -> Any:
        if jar is not None and jar.label == "sealed":
            return Rejected("sealed_already")
        return SEALING[command.how](command.jar_id)

    @jars.handles
    def dust(command: DustJar, jar: JarState | None) -> JarState:
        return JarState(jar_id=command.jar_id, label="dusted")

    @jars.applies
    def coins_put(jar: JarState | None, event: CoinsPut) -> Any:
        match event.how:
            case "state of another class":
                return JarRow(jar_id=event.jar_id)
            case "no state":
                return None
            case "state under another key":
                return JarState(jar_id="elsewhere")
            case "state beyond its type":
                return JarState(jar_id=event.jar_id, pence=2**31)
            case "state too large":
                return JarState(jar_id=event.jar_id, label=LARGE)
        jar = jar or JarState(jar_id=event.jar_id)
        return replace(jar, pence=jar.pence + event.pence)

    @jars.applies
    def coins_taken(jar: JarState, event: CoinsTaken) -> JarState:
        return replace(jar, pence=jar.pence - event.pence)

    @jars.applies
    def shaken(jar: JarState | None, event: JarShaken) -> JarState:
        return jar or JarState(jar_id=event.jar_id)

    return jars


def _fall(_: PutCoins) -> Any:
    raise RuntimeError("the jar fell down \udcff")  # as in an error that names a file of another encoding


def _later(_: PutCoins) -> Any:
    time.sleep(0.1)
    return []


WRONG: dict[str, Callable[[PutCoins], Any]] = {
    "raises": _fall,
    "ends the program": lambda _: sys.exit(3),
    "undeclared": lambda _: Rejected("no_such_code"),
    "reason is no text": lambda _: Rejected("jar_full", 7),  # type: ignore[arg-type]  # what a user may get wrong
    "details are no texts": lambda _: Rejected("jar_full", "", {"room": 7}),  # type: ignore[dict-item]  # likewise
    "reason too large": lambda _: Rejected("jar_full", NOISE),
    "reason without bytes": lambda _: Rejected("jar_full", "file \udcff"),
    "too many events": lambda c: [CoinsPut(jar_id=c.jar_id, pence=0)] * 30_000,
    "returns a number": lambda _: 5,
    "returns nothing": lambda _: None,
    "returns a command": lambda command: command,
    "returns a reply that no contract names": lambda command: JarSeal(jar_id=command.jar_id, number=1),
    "returns two states": lambda command: [JarState(jar_id=command.jar_id), JarState(jar_id=command.jar_id)],
    "returns a refusal among events": lambda c: [CoinsPut(jar_id=c.jar_id, pence=1), Rejected("jar_full")],
    "returns a state under another key": lambda _: JarState(jar_id="elsewhere"),
    "event under another key": lambda _: CoinsPut(jar_id="elsewhere", pence=1),
    "event of another context": lambda command: BookClosed(jar_id=command.jar_id),
    "event beyond its type": lambda command: CoinsPut(jar_id=command.jar_id, pence=2**31),
    "event out of bounds": lambda command: CoinsPut(jar_id=command.jar_id, pence=MOST + 1),
    "event too large": lambda command: CoinsPut(jar_id=command.jar_id, pence=1, how=LARGE + "x" * 10),
    "one good event, one bad": lambda c: [CoinsPut(jar_id=c.jar_id, pence=1), CoinsPut(jar_id="elsewhere", pence=1)],
    "two events": lambda c: [CoinsPut(jar_id=c.jar_id, pence=c.pence), CoinsPut(jar_id=c.jar_id, pence=1)],
    "no event": lambda _: [],
    "the state with its event": lambda c: (JarState(jar_id=c.jar_id, pence=77), CoinsPut(jar_id=c.jar_id, pence=1)),
    "the state alone": lambda c: JarState(jar_id=c.jar_id, pence=99),
    "slow": _later,
}


SEALING: dict[str, Callable[[str], Any]] = {
    "": lambda jar: (JarState(jar_id=jar, label="sealed"), JarSealed(jar_id=jar), JarSeal(jar_id=jar, number=7)),
    "reply alone": lambda jar: JarSeal(jar_id=jar, number=8),
    "no reply": lambda jar: JarState(jar_id=jar),
    "no reply, no change": lambda _: [],
    "two replies": lambda jar: [JarSeal(jar_id=jar, number=1), JarSeal(jar_id=jar, number=2)],
    "another row": lambda jar: JarRow(jar_id=jar),
    "event that only a state goes with": lambda jar: (JarSealed(jar_id=jar), JarSeal(jar_id=jar, number=1)),
    "reply beyond its type": lambda jar: JarSeal(jar_id=jar, number=2**31),
    "reply too large": lambda jar: JarSeal(jar_id=jar, number=1, text=LARGE),
    "reply too large with its events": lambda jar: (
        *[CoinsPut(jar_id=jar, pence=0)] * 5_000,
        JarSeal(jar_id=jar, number=1, text="x" * 900_000),
    ),
}


def table(mended: bool = False, parking: Parking | None = None) -> Table[JarRow]:
    """The table of jars; `mended` is its next version, in which nothing is wrong any more."""
    jars = Table("bank.jars", row=JarRow, index=["pence", "label"], parking=parking)

    @jars.on
    def put(row: JarRow | None, event: CoinsPut) -> Any:
        row = row or JarRow(jar_id=event.jar_id)
        row = replace(row, pence=row.pence + event.pence)
        if mended or not event.how:
            return row
        match event.how:
            case "raises":
                raise RuntimeError("no such jar")
            case "delete":
                return None
            case "row of another class":
                return JarState(jar_id=event.jar_id)
            case "row under another key":
                return JarRow(jar_id="elsewhere")
            case "row beyond its type":
                return replace(row, pence=2**31)
            case "row out of bounds":
                return replace(row, pence=MOST + 1)
            case "row too large":
                return replace(row, label=LARGE)
            case "row large":
                return replace(row, label=NOISE[:28_000])
            case "row wide":
                return replace(row, label=NOISE[:1_000])
        return row

    @jars.on
    def shaken(row: JarRow | None, event: JarShaken, context: Context) -> JarRow:
        return replace(row or JarRow(jar_id=event.jar_id), label=f"{context.actor} at {context.offset}")

    return jars
