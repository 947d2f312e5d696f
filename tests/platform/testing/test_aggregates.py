"""The kit that tests handlers without a broker: what it runs, what it refuses, what its failures say."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest

from tests.kit.samples.office.labels import PrintLabels
from tests.kit.samples.office.parcels import ParcelArrived, ShipParcel
from tests.kit.subscribers import CATALOG
from verbwire import (
    Aggregate,
    Command,
    Context,
    Event,
    Job,
    JobContext,
    Rejected,
    Reply,
    Row,
    State,
    Subscriber,
    SubscriberContext,
    Table,
)
from verbwire.contracts.schema.load import load_catalog
from verbwire.contracts.schema.model import Catalog
from verbwire.errors import ContractError
from verbwire.testing import CONTEXT, effects_of, fold, given

TEXT = [{"name": name, "type": "string"} for name in ("lamp", "by")]
TIMES = {"name": "times", "type": "int", "default": 0}
SCHEMAS: list[dict[str, Any]] = [
    {"name": "SwitchOn", "kind": "command", "rejections": ["burnt_out"], "fields": TEXT},
    {"name": "SwitchedOn", "kind": "event", "fields": TEXT},
    {"name": "Broke", "kind": "event", "fields": TEXT[:1]},
    {"name": "DimLamp", "kind": "command", "reply": "Light", "fields": TEXT},
    {"name": "Light", "kind": "reply", "fields": TEXT[:1]},
    {"name": "Lamp", "kind": "state", "fields": [*TEXT[:1], TIMES]},
    {"name": "LampRow", "kind": "row", "fields": [*TEXT[:1], TIMES]},
]


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """Contracts on file, and the classes below bound to them as generated ones are."""
    folder = tmp_path_factory.mktemp("schemas")
    for schema in SCHEMAS:
        path = folder / "lamps" / f"{schema['name']}.avsc"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"type": "record", "namespace": "home.lamps", "key": "lamp", "doc": "-", **schema}))
    catalog = load_catalog(folder)
    for cls in (SwitchOn, SwitchedOn, Broke, DimLamp, Light, Lamp, LampRow):
        cls.__fingerprint__ = catalog.find(cls.__name__).fingerprint
    return catalog


class SwitchOn(Command, frozen=True, kw_only=True):
    __contract__: ClassVar[str] = "home.lamps.SwitchOn"
    lamp: str = "hall"
    by: str = "ann"


class SwitchedOn(Event, frozen=True, kw_only=True):
    __contract__: ClassVar[str] = "home.lamps.SwitchedOn"
    lamp: str = "hall"
    by: str = "ann"


class Broke(Event, frozen=True, kw_only=True):
    __contract__: ClassVar[str] = "home.lamps.Broke"
    lamp: str = "hall"


class DimLamp(Command, frozen=True, kw_only=True):
    __contract__: ClassVar[str] = "home.lamps.DimLamp"
    lamp: str = "hall"
    by: str = "ann"


class Light(Reply, frozen=True, kw_only=True):
    __contract__: ClassVar[str] = "home.lamps.Light"
    lamp: str = "hall"


class Unheard(Event, frozen=True, kw_only=True):
    __contract__: ClassVar[str] = "home.lamps.Unheard"


class Lamp(State, frozen=True, kw_only=True):
    __contract__: ClassVar[str] = "home.lamps.Lamp"
    lamp: str
    times: int = 0


class LampRow(Row, frozen=True, kw_only=True):
    __contract__: ClassVar[str] = "home.lamps.LampRow"
    lamp: str
    times: int = 0


lamps = Aggregate("home.lamps", state=Lamp)
table = Table("home.lamps", row=LampRow)


@lamps.handles
def switch_on(command: SwitchOn, lamp: Lamp | None, context: Context) -> Sequence[Event] | Rejected:
    """`by` says what the handler shall do; a test of the kit needs handlers that misbehave."""
    if command.by == "nobody":
        return []
    if command.by == "stranger":
        return Rejected("unknown_person")
    if command.by == "next door":
        return [SwitchedOn(lamp="their hall")]
    if command.by == "confused":
        return "on"  # type: ignore[return-value]  # what the kit must refuse
    if lamp is not None and lamp.times >= 2:
        return Rejected("burnt_out", "it was on too often", {"times": str(lamp.times)})
    switched = SwitchedOn(lamp=command.lamp, by=context.actor or command.by)
    return [switched, Broke(lamp=command.lamp)] if lamp is not None and lamp.times == 1 else [switched]


@lamps.handles
def dim(command: DimLamp, lamp: Lamp | None) -> tuple[Lamp, Light] | Lamp:
    """Gives the state itself: the applier of no event is asked."""
    dimmed = Lamp(lamp="their hall" if command.by == "next door" else command.lamp, times=-1)
    return dimmed if command.by == "silent" else (dimmed, Light(lamp=command.lamp))


@lamps.applies
def switched(lamp: Lamp | None, event: SwitchedOn) -> Lamp:
    return Lamp(lamp=event.lamp, times=(lamp.times if lamp else 0) + 1)


@lamps.applies
def broke(lamp: Lamp, event: Broke) -> Lamp:
    return lamp


@table.on
def seen(row: LampRow | None, event: SwitchedOn) -> LampRow:
    return LampRow(lamp=event.lamp, times=(row.times if row else 0) + 1)


@table.on
def gone(row: LampRow | None, event: Broke) -> None:
    return None


def test_a_command_on_nothing_leads_to_its_event_and_state() -> None:
    given(lamps).when(SwitchOn()).then(SwitchedOn()).then_state(Lamp(lamp="hall", times=1))


def test_earlier_events_make_the_state_that_the_handler_sees() -> None:
    given(lamps, SwitchedOn()).when(SwitchOn()).then(SwitchedOn(), Broke())
    given(lamps, SwitchedOn(), SwitchedOn()).when(SwitchOn()).then_rejected("burnt_out", times="2")


def test_commands_follow_one_another() -> None:
    decided = given(lamps).when(SwitchOn()).then(SwitchedOn()).when(SwitchOn()).then(SwitchedOn(), Broke())
    decided.when(SwitchOn()).then_rejected("burnt_out").then_state(Lamp(lamp="hall", times=2))


def test_no_event_is_a_change_of_nothing() -> None:
    given(lamps).when(SwitchOn(by="nobody")).then().then_state(None)


def test_a_handler_that_asks_for_the_context_gets_the_tests_own() -> None:
    context = replace(CONTEXT, actor="bob", time=datetime(2020, 1, 1, tzinfo=UTC))
    given(lamps).when(SwitchOn(), context=context).then(SwitchedOn(by="bob"))


def test_other_events_are_shown_as_a_difference_by_field() -> None:
    with pytest.raises(AssertionError) as failure:
        given(lamps).when(SwitchOn()).then(SwitchedOn(by="bob"))
    message = str(failure.value)
    assert "SwitchOn(" in message
    assert "-    by='bob'," in message
    assert "+    by='ann'," in message
    assert "     lamp='hall'," in message


def test_a_missing_event_fails() -> None:
    with pytest.raises(AssertionError, match="Broke"):
        given(lamps, SwitchedOn()).when(SwitchOn()).then(SwitchedOn())


def test_an_expected_event_that_was_refused_says_why_it_was() -> None:
    with pytest.raises(AssertionError, match=r"was rejected: burnt_out \(it was on too often\)"):
        given(lamps, SwitchedOn(), SwitchedOn()).when(SwitchOn()).then(SwitchedOn())


def test_an_expected_rejection_that_did_not_come_shows_what_came() -> None:
    with pytest.raises(AssertionError, match=r"was accepted, not rejected as burnt_out:\nSwitchedOn"):
        given(lamps).when(SwitchOn()).then_rejected("burnt_out")
    with pytest.raises(AssertionError, match="with no event"):
        given(lamps).when(SwitchOn(by="nobody")).then_rejected("burnt_out")


def test_another_rejection_code_fails() -> None:
    with pytest.raises(AssertionError, match="another code than stolen: burnt_out"):
        given(lamps, SwitchedOn(), SwitchedOn()).when(SwitchOn()).then_rejected("stolen")


def test_other_details_fail() -> None:
    with pytest.raises(AssertionError, match="times"):
        given(lamps, SwitchedOn(), SwitchedOn()).when(SwitchOn()).then_rejected("burnt_out", times="3")


def test_another_state_fails() -> None:
    with pytest.raises(AssertionError, match="times=7"):
        given(lamps).when(SwitchOn()).then_state(Lamp(lamp="hall", times=7))


def test_a_handler_may_give_the_new_state_and_a_reply(catalog: Catalog) -> None:
    before = Lamp(lamp="hall", times=2)
    given(lamps, state=before, catalog=catalog).when(DimLamp()).then().then_reply(Light()).then_state(
        Lamp(lamp="hall", times=-1)
    )


def test_events_happen_to_the_state_that_is_given() -> None:
    given(lamps, SwitchedOn(), state=Lamp(lamp="hall", times=1)).when(SwitchOn()).then_rejected("burnt_out")


def test_another_reply_fails() -> None:
    with pytest.raises(AssertionError, match="lamp='cellar'"):
        given(lamps).when(DimLamp()).then_reply(Light(lamp="cellar"))


def test_with_a_catalog_the_reply_and_the_states_key_are_held_against_the_contract(catalog: Catalog) -> None:
    with pytest.raises(AssertionError, match=r"no reply: its contract says home\.lamps\.Light"):
        given(lamps, catalog=catalog).when(DimLamp(by="silent"))
    with pytest.raises(AssertionError, match="another key than its command"):
        given(lamps, catalog=catalog).when(DimLamp(by="next door"))


def test_a_decision_that_is_none_is_refused() -> None:
    with pytest.raises(AssertionError, match="return events, the new state, the reply"):
        given(lamps).when(SwitchOn(by="confused"))


def test_an_event_that_nothing_applies_is_refused() -> None:
    with pytest.raises(AssertionError, match="has no function for Unheard"):
        given(lamps, Unheard())


def test_with_a_catalog_a_rejection_has_to_be_declared(catalog: Catalog) -> None:
    given(lamps).when(SwitchOn(by="stranger")).then_rejected("unknown_person")
    with pytest.raises(AssertionError, match=r"add it to SwitchOn\.avsc, or return one of burnt_out"):
        given(lamps, catalog=catalog).when(SwitchOn(by="stranger"))


def test_with_a_catalog_an_event_has_to_have_its_commands_key(catalog: Catalog) -> None:
    given(lamps).when(SwitchOn(by="next door"))
    with pytest.raises(AssertionError, match="another key than its command"):
        given(lamps, catalog=catalog).when(SwitchOn(by="next door"))


def test_with_a_catalog_fields_have_to_fit_their_schema(catalog: Catalog) -> None:
    given(lamps, catalog=catalog).when(SwitchOn()).then(SwitchedOn())
    with pytest.raises(AssertionError, match="against its contract"):
        given(lamps, catalog=catalog).when(SwitchOn(by=7))  # type: ignore[arg-type]  # what the kit must refuse


def test_with_a_catalog_stale_classes_are_refused(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SwitchOn, "__fingerprint__", "of another version")
    with pytest.raises(AssertionError, match="stale"):
        given(lamps, catalog=catalog).when(SwitchOn())


def test_a_tables_events_fold_into_its_row(catalog: Catalog) -> None:
    assert fold(table) is None
    assert fold(table, SwitchedOn(), SwitchedOn(), catalog=catalog) == LampRow(lamp="hall", times=2)
    assert fold(table, SwitchedOn(), Broke()) is None
    with pytest.raises(AssertionError, match="has no function for Unheard"):
        fold(table, Unheard())


def test_handlers_are_tested_by_what_they_send() -> None:
    group = Subscriber("office.shipping", sends=[PrintLabels, ShipParcel])
    labels = Job("office.labels", publishes=[ParcelArrived])

    @group.on
    def ship(event: ParcelArrived, context: SubscriberContext) -> None:
        if event.parcel_id == "batch":
            context.send(PrintLabels(batch_id="b"))
        context.send(ShipParcel(parcel_id=event.parcel_id, to=context.idempotency_key))

    @labels.handles
    def labels_of(command: PrintLabels, context: JobContext) -> None:
        context.progress(1, 2)
        assert not context.stopping
        context.publish(ParcelArrived(parcel_id=command.batch_id))

    sent = effects_of(group, ParcelArrived(parcel_id="p"), catalog=CATALOG)
    assert sent == [ShipParcel(parcel_id="p", to="test")]
    assert effects_of(labels, PrintLabels(batch_id="b")) == [ParcelArrived(parcel_id="b")]
    with pytest.raises(ContractError, match="requires labels:print: it would be refused every time"):
        effects_of(group, ParcelArrived(parcel_id="batch"), catalog=CATALOG)
    with pytest.raises(AssertionError, match="no function for ShipParcel"):
        effects_of(labels, ShipParcel(parcel_id="p", to="x"))
