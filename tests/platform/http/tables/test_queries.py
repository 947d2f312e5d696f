"""Queries over HTTP: who may ask, what they see of it, and what is said of questions that make no sense."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.kit.http import CATALOG, EVENTS, problem
from tests.kit.market import Market, open_market, stall
from tests.kit.samples.town.market import StallRow
from verbwire import Principal
from verbwire.engine.state.partition_state import PartitionState
from verbwire.errors import UndecodableError
from verbwire.http.base import limits
from verbwire.http.base.limits import RequestLimits
from verbwire.queries.plan import may_see
from verbwire.wire.keys import key_of
from verbwire.wire.partitioner import partition_of

GET, FIND = "/queries/town.market.GetStall", "/queries/FindStalls"


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    with open_market(tmp_path_factory.mktemp("market")) as opened:
        yield opened


@pytest.fixture(autouse=True)
def mended(market: Market) -> Iterator[None]:
    yield
    market.stalls.mend()


def found(market: Market, query: str, **who: str) -> list[str]:
    answer = market.ask(f"{FIND}?{query}", **who)
    assert answer.status_code == 200, answer.text
    return [row["stall_id"] for row in answer.json()["rows"]]


def test_one_row_is_found_by_its_key(market: Market) -> None:
    row = market.ask(f"{GET}?stall_id=07").json()
    assert row == {
        "stall_id": "07",
        "owner": "bob",
        "status": "OPEN",
        "opened_at": "2010-12-01T19:00:00Z",
        "fee": "1.75",
        "rating": None,
        "visitors": str(2**60),
        "note": "Café",
        "goods": [],
    }
    assert market.ask("/queries/GetStall?stall_id=07").json() == row


def test_authorization_is_checked_before_the_query(market: Market) -> None:
    for path in (GET, f"{GET}?stall_id=07", "/queries/Nothing", f"{GET}?nonsense=1"):
        problem(market.ask(path, actor=""), 401, "unauthenticated")
    problem(market.ask("/queries/Nothing"), 404, "no_such_query")
    for path in (f"{GET}?stall_id=07", f"{GET}?stall_id=none", f"{GET}?nonsense=1", GET):
        refused = market.ask(path, scopes="stalls:all")
        assert "stalls:read" in problem(refused, 403, "forbidden")["detail"]
        assert "insufficient_scope" in refused.headers["www-authenticate"]


def test_a_row_of_somebody_else_is_not_there(market: Market) -> None:
    """The same answer as for one that nobody has."""
    foreign = market.ask(f"{GET}?stall_id=07", scopes="stalls:read")
    absent = market.ask(f"{GET}?stall_id=99", scopes="stalls:read")
    assert problem(foreign, 404, "not_found") == problem(absent, 404, "not_found")
    assert market.ask(f"{GET}?stall_id=06", scopes="stalls:read").json()["owner"] == "ann"
    assert found(market, "page_size=100", scopes="") == [f"{n:02}" for n in range(24) if n % 3 == 0]
    assert found(market, "owner=bob", scopes="") == []
    assert found(market, "owner=ann", actor="bob", scopes="") == []


def test_a_row_that_is_hidden_takes_the_same_work_as_one_that_is_not_there(market: Market) -> None:
    """Else the time of an answer tells that somebody has it."""
    read = list[bytes]()

    def work(stall_id: str) -> int:
        read.clear()
        market.stalls.on_decode = read.append
        problem(market.ask(f"{GET}?stall_id={stall_id}", scopes="stalls:read"), 404, "not_found")
        return len(read)

    assert {work(each) for each in ("07", "07x", "10", "0", "99")} == {1}


def test_an_unreadable_row_of_somebody_else_is_not_told(market: Market) -> None:
    def broken(_: bytes) -> None:
        raise UndecodableError("no row of ours")

    market.stalls.on_decode = broken
    problem(market.ask(f"{GET}?stall_id=07x", scopes="stalls:read"), 404, "not_found")
    problem(market.ask(f"{GET}?stall_id=07", scopes="stalls:read"), 503, "unreadable_row")


def test_a_principal_without_a_name_does_not_see_rows_of_an_empty_name(tmp_path: Path) -> None:
    def own(principal: Principal) -> Mapping[str, Any]:
        return {"owner": principal.actor}

    with open_market(tmp_path, visible=own) as market:
        market.stalls.put([msgspec.structs.replace(stall(1), stall_id="nobody's", owner="")])
        assert found(market, "page_size=100", actor="") == []
        assert found(market, "", actor="ann") == [f"{n:02}" for n in range(24) if n % 3 == 0][:20]
    rows = market.stalls.rows
    assert not may_see(rows, stall(1), None)


def test_a_public_query_needs_nobody_known_but_a_token_that_is_shown_must_be_good(market: Market) -> None:
    assert found(market, "", actor="") == [f"{n:02}" for n in range(24) if n % 3 == 2]
    problem(market.http.nobody.get(FIND, headers={"Authorization": "Bearer x"}), 401, "unauthenticated")
    problem(market.ask("/queries/FindTurnover", actor=""), 401, "unauthenticated")


@pytest.mark.parametrize(
    ("query", "fits"),
    [
        ("owner=bob", lambda n: n % 3 == 1),
        ("owner=", lambda _: False),
        ("status=CLOSED&owner=ann", lambda n: n % 12 == 0),
        ("opened_at_from=2010-12-01T15:00:00Z&opened_at_until=2010-12-01T20:00:00%2B02:00", lambda n: 3 <= n < 6),
        ("fee_from=5.00", lambda n: n >= 20),
        ("visitors=5", lambda n: n == 5),
        ("search=tea", lambda n: n % 5 == 0),
        ("search=TEA+gr*", lambda n: n % 5 == 0),
        ("search=cafe&status=CLOSED", lambda n: n % 4 == 0 and n % 5),
        ('search=tea"+OR+-+note:*', lambda _: False),
    ],
)
def test_a_list_holds_what_its_fields_say(market: Market, query: str, fits: Any) -> None:
    assert found(market, query + "&page_size=100") == [f"{n:02}" for n in range(24) if fits(n)]


def test_a_list_says_how_whole_and_how_fresh_it_is(market: Market) -> None:
    answer = market.ask(FIND).json()
    assert len(answer.pop("rows")) == 20  # what the contract says by default
    following = answer.pop("next")
    assert answer == {
        "query": "town.market.FindStalls",
        "page": 1,
        "page_size": 20,
        "complete": True,
        "missing_partitions": [],
        "behind": {},
        "parked": 0,
        "positions": {str(partition): {EVENTS: partition * 100} for partition in range(4)},
    }
    assert len(market.ask(following).json()["rows"]) == 4


@pytest.mark.parametrize("sort", ["owner", "-owner", "visitors", "-opened_at", "-fee"])
def test_a_sorted_list_is_walked_by_its_cursor(market: Market, sort: str) -> None:
    expected = found(market, f"sort={sort}&page_size=100")
    name = sort.removeprefix("-")
    rows = sorted(
        map(stall, range(24)), key=lambda row: (getattr(row, name) is not None, getattr(row, name), row.stall_id)
    )
    assert expected == [row.stall_id for row in (reversed(rows) if sort.startswith("-") else rows)]
    seen: list[str] = []
    following: str | None = f"{FIND}?sort={sort}&page_size=7"
    while following:
        answer = market.ask(following).json()
        seen += [row["stall_id"] for row in answer["rows"]]
        following = answer["next"]
    assert seen == expected


def test_a_cursor_belongs_to_its_order(market: Market) -> None:
    cursor = market.ask(f"{FIND}?sort=owner&page_size=7").json()["next"].rpartition("cursor=")[2]
    for query in (f"cursor={cursor}", f"sort=-owner&cursor={cursor}", f"sort=fee&cursor={cursor}"):
        problem(market.ask(f"{FIND}?{query}"), 400, "bad_cursor")
    problem(market.ask(f"{FIND}?page_size=1000&page=11"), 400, "page_too_deep")


def test_windows_are_found_by_their_fields(market: Market) -> None:
    path = "/queries/FindTurnover?stall_id=b&minute_from=2010-12-01T12:02:00Z&minute_until=2010-12-01T12:04:00Z"
    assert [(row["stall_id"], row["pence"]) for row in market.ask(path).json()["rows"]] == [("b", 2), ("b", 3)]
    one = market.ask("/queries/GetTurnover?minute=2010-12-01T12:05:00Z&stall_id=a").json()
    assert one == {"stall_id": "a", "minute": "2010-12-01T12:05:00Z", "pence": 5}


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (GET, "stall_id: this field is missing"),
        (f"{GET}?stall_id=", "stall_id: the key is empty"),
        (f"{FIND}?status=open", 'status: "open" is not one of OPEN, CLOSED'),
        (f"{FIND}?visitors=many", 'visitors: "many" is not an integer of 32 bits: write digits, like 12'),
        (f"{FIND}?visitors=3000000000", "visitors: 3000000000 is not an integer of 32 bits"),
        (f"{FIND}?visitors=%2B1", "visitors: "),
        (f"{FIND}?opened_at_from=yesterday", "write a time with its zone, like 2010-12-01T08:26:00Z"),
        (f"{FIND}?opened_at_from=2010-12-01T08:26:00", "write a time with its zone"),
        (f"{FIND}?fee_from=1.234", "fee_from: "),
        (f"{FIND}?sort=goods", "write owner, status, opened_at, fee, visitors"),
        (f"{FIND}?search=+-+", "the search has 0 words"),
        ("/queries/QuotePrice?goods=tea&pieces=1,2", "pieces: cannot be read as JSON, write it like [1,2]"),
        ("/queries/QuotePrice?goods=tea&pieces=[1.5]", "pieces[0]: 1.5 is not an integer"),
    ],
)
def test_a_parameter_that_cannot_be_is_named_with_what_to_write(market: Market, path: str, said: str) -> None:
    assert said in problem(market.ask(path), 400, "bad_parameter")["detail"]


def test_a_parameter_that_nobody_knows_is_told(market: Market) -> None:
    assert "stall_id" in problem(market.ask(f"{GET}?stal_id=1"), 400, "unknown_parameter")["detail"]
    problem(market.ask(f"{GET}?stall_id=1&stall_id=2"), 400, "repeated_parameter")
    problem(market.ask(f"{GET}?stall_id=1&page=1"), 400, "unknown_parameter")
    problem(market.ask(f"{GET}?stall_id={'x' * (limits.KEY + 1)}"), 400, "bad_key")


def test_a_partition_that_is_not_ready_is_said(market: Market) -> None:
    home = partition_of(key_of(CATALOG.of(StallRow), stall(7)), 4)
    market.stalls.store_reader.states[home].state = PartitionState.RESTORING
    problem(market.ask(f"{GET}?stall_id=07"), 503, "not_ready")
    answer = market.ask(f"{FIND}?page_size=100").json()
    assert (answer["complete"], answer["missing_partitions"]) == (False, [home])
    for state in market.stalls.store_reader.states.values():
        state.state = PartitionState.RESTORING
    problem(market.ask(FIND), 503, "not_ready")


def test_read_your_writes_queries_wait_for_the_positions_seen(market: Market) -> None:
    home = partition_of(key_of(CATALOG.of(StallRow), stall(7)), 4)
    store_reader = market.stalls.store_reader
    inputs = store_reader.states[home].inputs

    def apply() -> None:
        inputs[EVENTS] = 1000
        store_reader.moved(home)

    applied = threading.Timer(0.2, apply)
    seen = {"Verbwire-Position": f"{EVENTS}={home}:1000;another.topic=0:9"}
    applied.start()
    try:
        answers = [market.ask(f"{GET}?stall_id=07", **seen), market.ask(FIND, **seen)]
        assert [answer.status_code for answer in answers] == [200, 200]
        assert answers[1].json()["positions"][str(home)][EVENTS] == 1000
        assert market.http.operator.get("/tables/town.stalls/07", headers=seen).status_code == 200
    finally:
        applied.join()
        inputs[EVENTS] = home * 100


@pytest.fixture
def impatient(tmp_path: Path) -> Iterator[Market]:
    """A market whose queries hardly wait for what they must see."""
    with open_market(tmp_path, limits=RequestLimits(fresh_seconds=0.05)) as opened:
        yield opened


def test_read_your_writes_queries_are_a_503_where_the_answer_would_be_too_old(impatient: Market) -> None:
    home = partition_of(key_of(CATALOG.of(StallRow), stall(7)), 4)
    other = (home + 1) % 4
    late = {"Verbwire-Position": f"{EVENTS}={other}:1000"}
    assert impatient.ask(f"{GET}?stall_id=07", **late).status_code == 200  # another partition is none of its business
    behind = impatient.ask(FIND, **late)
    problem(behind, 503, "behind")
    assert behind.headers["retry-after"] == "1"
    problem(impatient.ask(FIND, **{"Verbwire-Position": "nonsense"}), 400, "bad_position")


def test_a_partition_that_becomes_ready_meanwhile_is_asked_too_whether_it_is_far_enough(
    impatient: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was not waited for, since it was not here: what it has may be older than what the asker has seen."""
    store_reader = impatient.stalls.store_reader
    home = partition_of(key_of(CATALOG.of(StallRow), stall(7)), 4)
    store_reader.states[home].state = PartitionState.RESTORING
    read = store_reader._reading

    def comes_back(partition: int) -> Any:
        store_reader.states[home].state = PartitionState.RUNNING
        return read(partition)

    ready = store_reader.ready

    def ready_by_then() -> list[int]:
        store_reader.states[home].state = PartitionState.RUNNING
        return ready()

    seen = {"Verbwire-Position": f"{EVENTS}={home}:1000"}
    monkeypatch.setattr(store_reader, "_reading", comes_back)
    problem(impatient.ask(f"{GET}?stall_id=07", **seen), 503, "behind")
    store_reader.states[home].state = PartitionState.RESTORING
    monkeypatch.setattr(store_reader, "ready", ready_by_then)
    problem(impatient.ask(FIND, **seen), 503, "behind")


def test_a_responder_answers_without_a_table(market: Market) -> None:
    path = "/queries/QuotePrice"
    assert market.ask(f"{path}?goods=tea").json() == {"goods": "tea for ann", "amount": "1.20"}
    assert market.ask(f"{path}?goods=a%26b&pieces=[1,2]", actor="").json() == {
        "goods": "a&b for nobody",
        "amount": "3.60",
    }
    problem(market.ask(f"{path}?goods=unknown"), 404, "not_found")


@pytest.mark.parametrize("minute", ["12:03:00Z", "12:03:00.000999Z", "17:33:00%2B05:30"])
def test_a_window_is_found_by_its_begin_however_that_is_written(market: Market, minute: str) -> None:
    row = market.ask(f"/queries/GetTurnover?stall_id=a&minute=2010-12-01T{minute}").json()
    assert (row["pence"], row["minute"]) == (3, "2010-12-01T12:03:00Z")
    assert market.http.operator.get(f"/tables/turnover/a,2010-12-01T{minute}").json() == row


@pytest.mark.parametrize("minute", ["0001-01-01T00:00:00%2B05:00", "9999-12-31T23:59:59-05:00"])
def test_a_time_that_no_row_can_have_is_no_key(market: Market, minute: str) -> None:
    problem(market.ask(f"/queries/GetTurnover?stall_id=a&minute={minute}"), 400, "bad_parameter")
    problem(market.http.operator.get(f"/tables/turnover/a,{minute}"), 400, "bad_key")


def test_a_reply_is_written_as_any_reader_of_its_schema_has_it(market: Market) -> None:
    assert market.ask("/queries/QuotePrice?goods=a+coin").json()["amount"] == "10.00"


@pytest.mark.parametrize("goods", ["broken", "wrong", "half a penny"])
def test_a_responder_that_breaks_tells_no_secret(market: Market, goods: str, caplog: pytest.LogCaptureFixture) -> None:
    answer = market.ask(f"/queries/QuotePrice?goods={goods}")
    assert problem(answer, 500, "broken")["correlation_id"] in caplog.text
    assert "secret" not in answer.text


def test_every_failure_is_in_the_log_and_its_traceback_once_a_minute(
    market: Market, caplog: pytest.LogCaptureFixture
) -> None:
    ids = [problem(market.ask("/queries/QuotePrice?goods=broken"), 500, "broken")["correlation_id"] for _ in range(3)]
    lines = [each for each in caplog.records if "broke" in each.getMessage()]
    assert [id in line.getMessage() for id, line in zip(ids, lines, strict=True)] == [True] * 3
    assert [bool(line.exc_info) for line in lines[1:]] == [False, False]


def test_an_operator_filters_searches_and_sorts_a_table(market: Market) -> None:
    def rows(query: str) -> list[str]:
        answer = market.http.operator.get(f"/tables/stalls?{query}")
        assert answer.status_code == 200, answer.text
        return [row["stall_id"] for row in answer.json()["rows"]]

    assert rows("owner=bob&status=CLOSED&page_size=100") == ["04", "16"]
    assert rows("opened_at_until=2010-12-01T14:00:00Z") == ["00", "01"]
    assert rows("search=tea&sort=-visitors") == ["20", "15", "10", "05", "00"]
    assert rows("stall_id=11") == ["11"]
    following = market.http.operator.get("/tables/stalls?owner=bob&sort=-visitors&page_size=3").json()["next"]
    assert following.startswith("/tables/town.stalls?owner=bob&sort=-visitors&page_size=3&cursor=")
    assert [row["stall_id"] for row in market.http.operator.get(following).json()["rows"]] == ["16", "13", "10"]
    problem(market.http.operator.get("/tables/stalls?note=x"), 400, "unknown_parameter")
    problem(market.http.operator.get("/tables/turnover?search=x"), 400, "unknown_parameter")
