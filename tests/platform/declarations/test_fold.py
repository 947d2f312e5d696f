"""Which aggregates can be rebuilt: those whose states are what their own events make of them, and that say so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.kit.bank import CATALOG
from tests.kit.samples.bank.jars import CoinsPut, CoinsTaken, JarSeal, JarState, PutCoins, SealJar, ShakeJar, TakeCoins
from verbwire import Aggregate, Context, Event, Rejected
from verbwire.declarations.fold import require_foldable
from verbwire.errors import RebuildError


def jars() -> Aggregate[JarState]:
    """An aggregate that can be."""
    jars = Aggregate("bank.jars", state=JarState)

    @jars.handles
    def put(command: PutCoins, jar: JarState | None) -> Sequence[CoinsPut] | Rejected:
        return [CoinsPut(jar_id=command.jar_id, pence=command.pence)]

    @jars.handles
    def seal(command: SealJar, jar: JarState | None) -> tuple[CoinsPut, JarSeal] | tuple[JarSeal] | JarSeal:
        return JarSeal(jar_id=command.jar_id, number=1)

    @jars.applies
    def coins_put(jar: JarState | None, event: CoinsPut) -> JarState:
        return JarState(jar_id=event.jar_id)

    return jars


def refused(aggregate: Aggregate[JarState], why: str) -> None:
    with pytest.raises(RebuildError, match=why):
        require_foldable(aggregate, CATALOG)


def test_an_aggregate_whose_events_are_all_applied_can_be_rebuilt() -> None:
    require_foldable(jars(), CATALOG)


def test_an_aggregate_that_may_return_its_state_is_not_rebuilt() -> None:
    returning = jars()

    @returning.handles
    def take(command: TakeCoins, jar: JarState | None) -> tuple[JarState, CoinsPut] | Rejected:
        return JarState(jar_id=command.jar_id), CoinsPut(jar_id=command.jar_id, pence=0)

    refused(returning, "take may return the state itself")


def test_an_aggregate_whose_handlers_do_not_say_what_they_return_is_not_rebuilt() -> None:
    silent = jars()

    @silent.handles
    def take(command: TakeCoins, jar: JarState | None) -> Any:
        return []

    refused(silent, "what .*take returns is not known: annotate it")
    bare = jars()

    @bare.handles
    def shake(command: ShakeJar, jar: JarState | None):  # type: ignore[no-untyped-def]  # as meant
        return []

    refused(bare, "what .*shake returns is not known: annotate it")


def test_an_aggregate_with_an_event_that_nothing_applies_is_not_rebuilt() -> None:
    taking = jars()

    @taking.handles
    def take(command: TakeCoins, jar: JarState | None) -> CoinsTaken:
        return CoinsTaken(jar_id=command.jar_id, pence=1)

    refused(taking, "nothing applies bank.jars.CoinsTaken")
    any_event = jars()

    @any_event.handles
    def shake(command: ShakeJar, jar: JarState | None) -> list[Event]:
        return []

    refused(any_event, "nothing applies bank.jars.CoinsTaken, bank.jars.Jar")


def test_an_aggregate_that_applies_what_no_event_keeps_is_not_rebuilt() -> None:
    asking = jars()

    @asking.applies
    def taken(jar: JarState | None, event: CoinsTaken, context: Context) -> JarState:
        return JarState(jar_id=event.jar_id, label=context.id)

    refused(asking, "taken takes a context")
