"""What a query's fields mean to a table, and what is said where they mean nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.kit.samples.town.market import (
    FindStalls,
    FindTurnover,
    GetStall,
    GetTurnover,
    Price,
    QuotePrice,
    StallRow,
    StallStatus,
    TurnoverRow,
)
from tests.kit.samples.town.offers import FindOffers, GetOffer, Offer
from verbwire import PageRequest, Responder, Rows, Table
from verbwire.contracts.schema.load import load_catalog
from verbwire.contracts.schema.model import Contract
from verbwire.errors import ContractError, UnkeyableError
from verbwire.queries.check import check_queries, require_queries
from verbwire.queries.plan import QueryableRow, every_filter, may_see, plan_query, seen_by
from verbwire.queries.selection import KEY, Condition, Operator, Selection
from verbwire.wire.keys import key_bytes

CATALOG = load_catalog(Path(__file__).parents[2] / "kit/samples/town")
INDEX = ("owner", "status", "opened_at", "fee", "visitors", "rating")
STALLS = QueryableRow.of("town.stalls", CATALOG.of(StallRow), INDEX, ("note",))
TURNOVER = QueryableRow.of("town.turnover", CATALOG.of(TurnoverRow))
NOON = datetime(2010, 12, 1, 12, tzinfo=UTC)
MICROSECONDS = (NOON - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def changed(query: type[Any], *fields: dict[str, Any], without: tuple[str, ...] = (), **more: Any) -> Contract:
    """The contract of a query with other fields or attributes."""
    contract = CATALOG.of(query)
    new = {each["name"] for each in fields}
    kept = [each for each in contract.schema["fields"] if each["name"] not in new and each["name"] not in without]
    return replace(contract, schema={**contract.schema, "fields": [*kept, *fields]}, **more)


def field(name: str, avro: Any = "string", *, nullable: bool = True) -> dict[str, Any]:
    return {"name": name, "type": ["null", avro] if nullable else avro}


def test_one_row_is_found_by_its_key() -> None:
    plan = plan_query(CATALOG.of(GetStall), STALLS)
    assert not plan.many
    assert plan.key({"stall_id": "a"}) == b"a"
    with pytest.raises(UnkeyableError):
        plan.key({"stall_id": ""})


def test_a_key_of_several_fields_is_put_together_in_the_rows_order() -> None:
    plan = plan_query(CATALOG.of(GetTurnover), TURNOVER)
    assert plan.key({"minute": NOON, "stall_id": "a"}) == key_bytes(("a", NOON))


def test_fields_of_a_list_narrow_it_where_they_are_given() -> None:
    plan = plan_query(CATALOG.of(FindStalls), STALLS)
    assert plan.selection({"owner": None, "page": 1}) == Selection()
    asked = {
        "owner": "ann",
        "status": StallStatus.OPEN,
        "opened_at_from": NOON,
        "opened_at_until": NOON,
        "fee_from": Decimal("12.5"),
        "visitors": 0,
        "search": "tea",
    }
    assert plan.selection(asked) == Selection(
        (
            Condition("owner", Operator.IS, "ann"),
            Condition("status", Operator.IS, "OPEN"),
            Condition("opened_at", Operator.FROM, MICROSECONDS),
            Condition("opened_at", Operator.UNTIL, MICROSECONDS),
            Condition("fee", Operator.FROM, 1250),
            Condition("visitors", Operator.IS, 0),
        ),
        '"tea"',
    )


def test_fields_of_a_key_that_has_several_are_filters_too() -> None:
    plan = plan_query(CATALOG.of(FindTurnover), TURNOVER)
    assert plan.selection({"stall_id": "a", "minute_from": NOON}).conditions == (
        Condition("stall_id", Operator.IS, "a"),
        Condition("minute", Operator.FROM, MICROSECONDS),
    )


def test_a_key_of_one_field_needs_no_column() -> None:
    plan = plan_query(changed(FindStalls, field("stall_id"), field("stall_id_from")), STALLS)
    assert plan.selection({"stall_id": "a", "stall_id_from": "b"}).conditions == (
        Condition(KEY, Operator.IS, b"a"),
        Condition(KEY, Operator.FROM, b"b"),
    )


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (changed(FindStalls, field("ownr")), "'ownr' means nothing to table town.stalls: did you mean 'owner'?"),
        (changed(FindStalls, field("goods_from")), "'goods_from' means nothing"),
        (changed(FindStalls, field("owner", "long")), "'owner' is integer, in StallRow it is string"),
        (changed(FindStalls, field("status")), "'status' is string, in StallRow it is enum StallStatus"),
        (changed(FindStalls, field("page")), "'page' is string: make it integer"),
        (changed(FindStalls, field("search", "int")), "'search' is integer: make it string"),
        (changed(FindStalls, field("owner", {"type": "array", "items": "string"})), "'owner' is of no simple type"),
        (changed(FindStalls, reply=None), "and it names no reply"),
        (changed(FindStalls, reply="town.market.TurnoverRow"), "not town.market.TurnoverRow: change its reply"),
        (changed(FindStalls, many=False), 'add stall_id, or say "many": true'),
        (
            changed(GetStall, field("owner")),
            "owner cannot narrow one row, which is found by stall_id: remove it, or say",
        ),
        (changed(GetStall, field("stall_id")), "stall_id may be null, which is no key"),
        (changed(GetStall, many=True), 'one row answers: remove "many"'),
        (changed(GetStall, field("page", "int")), "page cannot narrow one row"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_query_that_makes_no_sense_is_told_in_a_sentence(query: Contract, said: str) -> None:
    with pytest.raises(ContractError) as error:
        plan_query(query, STALLS)
    assert said in str(error.value)
    assert query.short in str(error.value)


def test_without_full_text_there_is_nothing_to_search() -> None:
    with pytest.raises(ContractError, match="no full text to search: declare its `search`"):
        plan_query(CATALOG.of(FindStalls), QueryableRow.of("town.stalls", CATALOG.of(StallRow), INDEX))


def test_a_range_of_numbers_that_are_keys_needs_a_column() -> None:
    row = replace(CATALOG.of(StallRow), key=("visitors",))
    query = changed(FindStalls, field("visitors_from", "long"), without=("visitors",))
    with pytest.raises(ContractError, match="name 'visitors' in the table's index"):
        plan_query(
            query, QueryableRow.of("town.stalls", row, [each for each in INDEX if each != "visitors"], ("note",))
        )
    plan_query(query, QueryableRow.of("town.stalls", row, INDEX, ("note",)))


@pytest.mark.parametrize(("index", "search"), [(["goods"], []), ([], ["visitors"])])
def test_an_index_needs_an_order_and_a_search_needs_text(index: list[str], search: list[str]) -> None:
    with pytest.raises(ContractError, match="cannot be"):
        QueryableRow.of("town.stalls", CATALOG.of(StallRow), index, search)


def test_an_operator_has_every_filter() -> None:
    plan = every_filter(STALLS)
    assert {"stall_id", "owner", "owner_from", "status_until", "fee", "search"} <= plan.query.fields.keys()
    assert plan.selection({"fee_until": Decimal("1.00")}).conditions == (Condition("fee", Operator.UNTIL, 100),)
    assert set(every_filter(TURNOVER).query.fields) == {
        *("stall_id", "stall_id_from", "stall_id_until"),
        *("minute", "minute_from", "minute_until", "sort"),
    }


def test_row_permissions_show_no_other_rows() -> None:
    row = StallRow(stall_id="a", owner="ann")
    assert may_see(STALLS, row, {})
    assert may_see(STALLS, row, {"owner": "ann", "status": StallStatus.OPEN})
    assert not may_see(STALLS, row, {"owner": "bob"})
    assert not may_see(STALLS, StallRow(stall_id="a"), {"owner": "ann"})
    assert seen_by(STALLS, {"owner": "ann"}) == (Condition("owner", Operator.IS, "ann"),)
    assert seen_by(STALLS, {"owner": None}) == (Condition("owner", Operator.IS, None),)  # not: it does not matter
    assert seen_by(STALLS, {"stall_id": "a"}) == (Condition(KEY, Operator.IS, b"a"),)


def test_row_permissions_by_a_value_hold_however_it_is_written() -> None:
    row = StallRow(stall_id="a", fee=Decimal("1.50"), opened_at=NOON, rating=math.nan)
    for only in ({"fee": Decimal("1.5")}, {"opened_at": NOON.astimezone(timezone(timedelta(hours=5)))}):
        assert may_see(STALLS, row, only)
        assert [each.value for each in seen_by(STALLS, only)] == [
            each.value for each in seen_by(STALLS, kept(row, only))
        ]
    assert may_see(STALLS, row, {"opened_at": NOON + timedelta(microseconds=999)})  # the field keeps milliseconds
    assert may_see(STALLS, row, {"rating": math.nan})
    assert may_see(STALLS, StallRow(stall_id="a", rating=0.0), {"rating": -0.0})


def kept(row: StallRow, only: Mapping[str, Any]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in only}


def test_a_filter_of_more_digits_than_the_rows_have_finds_none_of_them() -> None:
    wide = {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 2}
    plan = plan_query(
        changed(FindStalls, field("fee", wide), field("fee_from", wide), field("fee_until", wide)), STALLS
    )
    most = STALLS.columns["fee"].value(Decimal("9999999.99"))
    for digits in ("10000000.00", "1E+30"):
        [condition] = plan.selection({"fee_from": Decimal(digits)}).conditions
        assert isinstance(condition.value, int)
        assert isinstance(most, int)
        assert most < condition.value < 2**63
    [least] = plan.selection({"fee_until": Decimal("-1E+30")}).conditions
    assert least.value == -(10**9)


def test_a_key_is_made_of_what_its_fields_keep() -> None:
    plan = plan_query(CATALOG.of(GetTurnover), TURNOVER)
    there = NOON.astimezone(timezone(timedelta(hours=-8)))
    for minute in (NOON, there, NOON + timedelta(microseconds=999)):
        assert plan.key({"minute": minute, "stall_id": "a"}) == key_bytes(("a", NOON))
    with pytest.raises(UnkeyableError, match="no row has this key"):
        plan.key({"minute": datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))), "stall_id": "a"})


@pytest.mark.parametrize(
    "only",
    [
        {"note": "x"},
        {"visitors": "17"},
        {"nothing": 1},
        {"visitors": 2**63},
        {"fee": Decimal("0.001")},
        {"fee": Decimal("1E+8")},
        {"rating": "1"},
        {"rating": 2**53 + 1},
        {"opened_at": "2010-12-01"},
        {"opened_at": NOON.replace(tzinfo=None)},
    ],
)
def test_a_rule_that_cannot_be_held_is_an_error_not_no_rule(only: dict[str, Any]) -> None:
    with pytest.raises(ContractError, match="`visible`"):
        seen_by(STALLS, only)


def market() -> tuple[Table[Any], Table[Any], Responder]:
    stalls = Table("town.stalls", row=StallRow, answers=[GetStall, FindStalls], index=INDEX, search=["note"])
    turnover = Table("town.turnover", row=TurnoverRow, answers=[GetTurnover, FindTurnover])
    prices = Responder("town.prices")

    @prices.answers
    def quote(query: QuotePrice) -> Price:
        return Price(goods=query.goods, amount=Decimal(0))

    return stalls, turnover, prices


def offers() -> Responder:
    found = Responder("town.offers")

    @found.answers
    async def find(query: FindOffers, page: PageRequest) -> Rows[Offer]:
        return Rows([], complete=True)

    @found.answers
    async def get(query: GetOffer) -> Offer | None:
        return None

    return found


def test_a_project_whose_queries_all_have_one_answer_is_fine() -> None:
    stalls, turnover, prices = market()
    found = check_queries(CATALOG, [stalls, turnover], [prices, offers()])
    assert found == []
    require_queries(CATALOG, [stalls, turnover], [prices])


def test_a_responder_that_says_it_returns_something_else_is_found() -> None:
    prices = Responder("town.prices")

    @prices.answers
    def quote(query: QuotePrice) -> Price | StallRow:
        return StallRow(stall_id="x")

    [misfit] = [each for each in check_queries(CATALOG, [], [prices]) if each.code == "query"]
    assert "StallRow" in misfit.message
    assert "town.market.QuotePrice is answered by town.market.Price" in misfit.message


def test_a_responder_whose_shape_is_not_that_of_its_query_is_found() -> None:
    offers = Responder("town.offers")

    @offers.answers
    async def find(query: FindOffers) -> Offer:
        raise NotImplementedError

    @offers.answers  # type: ignore[arg-type] # mypy refuses it, too
    def get(query: GetOffer, page: PageRequest) -> Rows[Offer]:
        raise NotImplementedError

    @offers.answers
    def stalls(query: FindStalls, page: PageRequest) -> Rows[StallRow]:
        raise NotImplementedError

    said = [each.message for each in check_queries(CATALOG, [], [offers]) if each.code == "query"]
    assert "let tests.platform.queries.test_plan" in said[0]
    assert "take a `page: PageRequest`, and return Rows(...)" in said[0]
    assert 'answers with pages, town.offers.GetOffer with one reply: say "many": true, or leave `page` out' in said[1]
    assert "a responder's list has no numbered pages, `next` goes on: remove the field page" in said[2]
    wrong = Responder("town.offers")

    @wrong.answers
    def found(query: FindOffers, page: PageRequest) -> Rows[StallRow]:
        raise NotImplementedError

    [misfit] = [each for each in check_queries(CATALOG, [], [wrong]) if each.code == "query"]
    assert "town.offers.FindOffers is answered by town.offers.Offer: return Rows of that" in misfit.message


def test_queries_that_have_no_answer_or_two_are_found() -> None:
    stalls, _, prices = market()
    found = check_queries(CATALOG, [stalls, stalls], [prices])
    assert {(each.code, each.message.split(":")[0]) for each in found} == {
        ("answered-twice", "town.market.GetStall is answered by town.stalls and town.stalls"),
        ("answered-twice", "town.market.FindStalls is answered by town.stalls and town.stalls"),
        ("unanswered-query", "no table or responder answers town.market.GetTurnover"),
        ("unanswered-query", "no table or responder answers town.market.FindTurnover"),
        ("unanswered-query", "no table or responder answers town.offers.FindOffers"),
        ("unanswered-query", "no table or responder answers town.offers.GetOffer"),
    }
    require_queries(CATALOG, [stalls], [prices])  # a worker can start: what it has is answered


def test_a_query_that_does_not_fit_is_found_and_keeps_a_worker_from_starting() -> None:
    turnover = Table("town.turnover", row=TurnoverRow, answers=[FindStalls])
    [misfit] = [each for each in check_queries(CATALOG, [turnover], []) if each.code == "query"]
    assert (misfit.file, misfit.severity) == ("town.turnover", "error")
    with pytest.raises(
        ContractError, match=r"town\.turnover: town\.market\.FindStalls: table town\.turnover answers with"
    ):
        require_queries(CATALOG, [turnover], [])
