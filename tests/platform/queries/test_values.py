"""Every type that has an order, and every value that is hard: what was written is found, in one order, everywhere.

The oracle is Python alone: the values as written, what is kept of them, and Python's own `sorted`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import convert

from tests.kit.http import CATALOG
from tests.kit.samples.town.market import QuotePrice
from tests.kit.value_samples import EAST, RANGES, SAMPLES, WEST, Sample, inside, module
from verbwire.client import Page
from verbwire.client.querying.request import QueryRoute
from verbwire.contracts.schema.model import Catalog
from verbwire.engine.state.changes import StoreChanges
from verbwire.engine.state.partition_state import PartitionState
from verbwire.engine.state.reader import StoreReader
from verbwire.engine.state.store import PartitionStore
from verbwire.errors import UndecodableError, UnencodableError
from verbwire.http.avro_json.encode import encoder
from verbwire.http.base import limits
from verbwire.http.base.limits import PageLimits
from verbwire.http.base.problem import HttpProblem
from verbwire.http.base.requests import parameters
from verbwire.http.forwarding import partial_list as founds
from verbwire.http.tables.lists import Listing, Lists
from verbwire.http.tables.parameters import defaults_of, parameter_reader
from verbwire.http.tables.queryable_table import QueryableTable
from verbwire.queries.columns import RowValues
from verbwire.queries.plan import QueryableRow, plan_query
from verbwire.wire.avro.messages import Encoder, Reader
from verbwire.wire.keys import key_of

PARTITIONS = 3
WORKERS = ((0, 2), (1,))  # the partitions of each
PACKAGE = "samples_of_values_package"


class Nested:
    """A query that has each type inside others, and its reply, as a responder's go over HTTP."""

    def __init__(self, catalog: Catalog, classes: ModuleType) -> None:
        self._query, row = catalog.of(classes.AskNested), catalog.of(classes.NestedRow)
        self._read, self._route = parameter_reader(self._query), QueryRoute(catalog, classes.AskNested)
        self._encode = encoder(row)
        self._ask, self._row = Encoder(self._query, 0), Encoder(row, 0)
        self.classes = classes

    def asked(self, **fields: Any) -> tuple[Any, Any]:
        """The query as who answers sees it, and as it should."""
        query = self.classes.AskNested(**fields)
        given = parameters(self._route.target(query).partition("?")[2].encode(), tuple(self._query.fields))
        return self._ask.normal(convert(self._read(given), type(query))), Reader(
            self._query, type(query), self._query.schema
        )(self._ask(query))

    def answered(self, **fields: Any) -> tuple[Any, Any]:
        """The reply as who asked sees it, and as it should."""
        reply = self.classes.NestedRow(sample_id="a", **fields)
        return self._row.normal(self._route.read(self._encode(self._row.normal(reply)))), self._row.normal(reply)


class Samples:
    """The table of all types, in a store a partition, as two workers serve it, and the query that is asked."""

    def __init__(self, folder: Path, catalog: Catalog, classes: ModuleType) -> None:
        self.folder, self.classes = folder, classes
        self.contract = catalog.of(classes.SampleRow)
        self.rows = QueryableRow.of("town.samples", self.contract, [*SAMPLES])
        plan = plan_query(catalog.of(classes.FindSamples), self.rows)
        self.lists = Lists(plan.query.name, "/queries/x", plan, defaults_of(classes.FindSamples))
        self.route = QueryRoute(catalog, classes.FindSamples)
        self.nested = Nested(catalog, classes)
        self.write = Encoder(self.contract, 1)
        self.read: Callable[[bytes], Any] = Reader(self.contract, classes.SampleRow, self.contract.schema)
        self.columns = RowValues(self.rows.columns.values(), ()).of
        self.stores, self.served = self.opened("stores")

    def opened(self, name: str) -> tuple[list[PartitionStore], list[QueryableTable]]:
        stores = [PartitionStore(self.folder / name / f"{number}.db", [*SAMPLES]) for number in range(PARTITIONS)]
        return stores, [self._worker(stores, partitions) for partitions in WORKERS]

    def _worker(self, stores: list[PartitionStore], partitions: Sequence[int]) -> QueryableTable:
        store_reader = StoreReader("town.samples", self.contract, PARTITIONS)
        for partition in partitions:
            store_reader.states[partition].path = stores[partition].path
            store_reader.states[partition].state = PartitionState.RUNNING
        return QueryableTable(store_reader, self.read, tuple(SAMPLES))

    def row(self, **values: Any) -> Any:
        return self.classes.SampleRow(**values)

    def put(self, rows: Sequence[Any]) -> None:
        """Let these be all the rows."""
        changes = [StoreChanges(rows=dict.fromkeys(key for key, _ in store.items())) for store in self.stores]
        for row in map(self.write.normal, rows):
            key = key_of(self.contract, row)
            changes[self.served[0].store_reader.partition_of(key)].rows[key] = (self.write(row), *self.columns(row))
        for store, change in zip(self.stores, changes, strict=True):
            store.apply(change)

    def listing(self, query: str) -> Listing:
        return self.lists.read(query.encode())

    def page(self, query: str, served: Sequence[QueryableTable] | None = None) -> tuple[list[str], str | None]:
        """The ids of one page, and the query string of the next."""
        found = self.read_page(query, served)
        return [each.sample_id for each in found.rows], None if found.next is None else found.next.split("?")[1]

    def read_page(self, query: str, served: Sequence[QueryableTable] | None = None) -> Page:
        listing = self.listing(query)
        parts = [
            table.find(partitions, listing.selection, listing.window, PageLimits(), whole=False)
            for table, partitions in zip(served or self.served, WORKERS, strict=True)
        ]
        found = founds.merged(founds.read(founds.written(part)) for part in parts)
        answer = listing.answer({}, found, PageLimits().page)
        page: Page = self.route.read(answer)
        return page

    def every(self, query: str, served: Sequence[QueryableTable] | None = None) -> list[str]:
        found, following = self.page(f"{query}&page_size={limits.MAX_PAGE_SIZE}", served)
        assert following is None
        return found

    def close(self) -> None:
        for store in self.stores:
            store.close()


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Samples]:
    folder = tmp_path_factory.mktemp("samples")
    opened = Samples(folder, *module(folder, PACKAGE))
    yield opened
    opened.close()
    for name in [each for each in sys.modules if each.split(".")[0] == PACKAGE]:
        del sys.modules[name]


@dataclass(frozen=True)
class Kept:
    """A row of the oracle."""

    id: str
    value: Any  # as written
    order: tuple[Any, ...]  # null first


def kept(sample: Sample, number: int, value: Any) -> Kept:
    order = (False,) if value is None else (True, sample.order(sample.kept(value)))
    return Kept(f"{number:02}", value, order)


def rows_of(samples: Samples, name: str, values: Sequence[Any]) -> list[Kept]:
    rows = [kept(SAMPLES[name], number, value) for number, value in enumerate(values)]
    samples.put([samples.row(sample_id=each.id, **{name: typed(samples, name, each.value)}) for each in rows])
    return rows


def typed(samples: Samples, name: str, value: Any) -> Any:
    return samples.classes.Colour(value) if name == "colour" and value is not None else value


def ids(rows: Sequence[Kept], *, descending: bool = False) -> list[str]:
    return [each.id for each in sorted(rows, key=lambda each: (each.order, each.id), reverse=descending)]


@pytest.mark.parametrize("name", SAMPLES)
def test_every_value_is_found_by_itself_and_by_ranges_from_it(samples: Samples, name: str) -> None:
    rows = rows_of(samples, name, [*SAMPLES[name].values, None])
    for wanted in rows[:-1]:
        expected = {
            name: [each.id for each in rows if each.order == wanted.order],
            name + RANGES[0]: [each.id for each in rows if each.order >= wanted.order],
            name + RANGES[1]: [each.id for each in rows[:-1] if each.order < wanted.order],
        }
        for field, matching in expected.items():
            query = samples.classes.FindSamples(**{field: typed(samples, name, wanted.value)})
            asked = samples.route.target(query).partition("?")[2]
            assert samples.every(asked) == matching, asked


@pytest.mark.parametrize("name", SAMPLES)
def test_a_row_that_is_answered_is_the_row_that_was_kept(samples: Samples, name: str) -> None:
    rows = rows_of(samples, name, [*SAMPLES[name].values, None])
    answered = samples.read_page(f"sort={name}&page_size=100").rows
    wanted = {each.id: None if each.value is None else SAMPLES[name].kept(each.value) for each in rows}
    for row in answered:
        found, expected = getattr(row, name), wanted[row.sample_id]
        assert found == expected or (found != found and expected != expected)
        assert type(found) is type(typed(samples, name, expected))


@pytest.mark.parametrize("name", SAMPLES)
def test_values_inside_others_are_asked_and_answered_as_they_are(samples: Samples, name: str) -> None:
    values = [typed(samples, name, each) for each in SAMPLES[name].values]
    record = getattr(samples.classes, inside(name))
    fields: list[dict[str, Any]] = [
        {f"{name}_some": tuple(values)},
        {f"{name}_named": dict(zip("abcdefghijkl", values, strict=False))},
    ]
    fields += [{f"{name}_in": record(it=each)} for each in (*values, None)]
    if f"{name}_or" in samples.nested.classes.AskNested.__struct_fields__:
        fields += [{f"{name}_or": each} for each in (*values, *SAMPLES["hours" if name == "raw" else "words"].values)]
    for each in fields:
        for found, expected in (samples.nested.asked(**each), samples.nested.answered(**each)):
            assert repr(found) == repr(expected)  # by its text: NaN equals nothing


def walk(samples: Samples, query: str) -> list[str]:
    found, following = samples.page(query)
    while following is not None:
        more, following = samples.page(following)
        found += more
    return found


def leaf(samples: Samples, query: str) -> list[str]:
    found: list[str] = []
    for number in range(1, 100):
        page, following = samples.page(f"{query}&page={number}")
        found += page
        if following is None:
            return found
    raise AssertionError("the list has no end")


@pytest.mark.parametrize("name", SAMPLES)
def test_sorted_lists_of_several_workers_are_one_list(samples: Samples, name: str) -> None:
    rows = rows_of(samples, name, [*SAMPLES[name].values, None, None, *SAMPLES[name].values])
    for descending in (False, True):
        for size in (1, 5):
            query = urlencode({"sort": f"{'-' * descending}{name}", "page_size": size})
            assert walk(samples, query) == ids(rows, descending=descending)
            assert leaf(samples, query) == ids(rows, descending=descending)


def decimals(precision: int, scale: int) -> st.SearchStrategy[Decimal]:
    digits = st.lists(st.integers(0, 9), min_size=1, max_size=precision).map(tuple)
    return st.builds(lambda sign, each: Decimal((sign, each, -scale)), st.integers(0, 1), digits)


MOMENTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.sampled_from([UTC, EAST, WEST]))
ANY: dict[str, st.SearchStrategy[Any]] = {
    "flag": st.booleans(),
    "small": st.integers(-(2**31), 2**31 - 1),
    "big": st.integers(-(2**63), 2**63 - 1),
    "metres": st.floats(width=32) | st.floats(-1e38, 1e38),
    "hours": st.floats(),
    "words": st.text(max_size=4),
    "raw": st.binary(max_size=4),
    "seal": st.binary(min_size=2, max_size=2),
    "colour": st.sampled_from(SAMPLES["colour"].values),
    "ident": st.uuids(),
    "price": decimals(9, 2),
    "mass": decimals(38, 10),
    "weight": decimals(38, 10),
    "day": st.dates(),
    "at_millis": st.times(),
    "at_micros": st.times(),
    "moment_millis": MOMENTS,
    "moment_micros": MOMENTS,
    "local_millis": st.datetimes(),
    "local_micros": st.datetimes(),
}


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_walk_meets_every_row_once_whatever_is_sorted_and_filtered(samples: Samples, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from([*SAMPLES]))
    sample = SAMPLES[name]
    values = st.sampled_from(sample.values) | ANY[name]
    rows = rows_of(samples, name, data.draw(st.lists(st.none() | values, max_size=20)))
    descending, size = data.draw(st.booleans()), data.draw(st.integers(1, 6))
    least = kept(sample, 0, data.draw(values))
    asked = samples.route.target(samples.classes.FindSamples(**{f"{name}_from": typed(samples, name, least.value)}))
    query = f"{asked.partition('?')[2]}&sort={'-' * descending}{name}&page_size={size}"
    expected = ids([each for each in rows if each.order >= least.order], descending=descending)
    assert walk(samples, query) == expected
    assert leaf(samples, query) == expected


@pytest.mark.parametrize("name", SAMPLES)
def test_a_store_that_is_restored_from_the_log_is_the_same(samples: Samples, name: str) -> None:
    rows = rows_of(samples, name, [*SAMPLES[name].values, None])
    stores, served = samples.opened(f"restored {name}")
    for old, new in zip(samples.stores, stores, strict=True):
        new.apply(
            StoreChanges(rows={key: (value, *samples.columns(samples.read(value))) for key, value in old.items()})
        )
    assert samples.every(f"sort={name}", served) == ids(rows)
    for wanted in rows[:-1]:
        asked = samples.route.target(samples.classes.FindSamples(**{name: typed(samples, name, wanted.value)}))
        query = asked.partition("?")[2]
        assert samples.every(query, served) == [each.id for each in rows if each.order == wanted.order]
    for store in stores:
        store.close()


def test_a_filter_that_no_row_can_have_is_compared_as_it_is(samples: Samples) -> None:
    """Beyond 32 bits, and behind the last year in UTC."""
    rows = rows_of(samples, "metres", SAMPLES["metres"].values)
    every = [each.id for each in rows]
    beyond = [each.id for each in rows if each.order >= kept(SAMPLES["hours"], 0, 1e39).order]
    assert samples.every("metres=1e39") == []
    assert samples.every("metres_from=1e39") == beyond
    assert samples.every("metres_until=1e39") == [each for each in every if each not in beyond]
    rows = rows_of(samples, "moment_millis", SAMPLES["moment_millis"].values)
    asked = urlencode({"moment_millis_until": "9999-12-31T23:59:59.999999-05:00"})
    assert samples.every(asked) == [each.id for each in rows]


@pytest.mark.parametrize(
    "asked",
    [
        {"price": Decimal("0.001")},
        {"price": Decimal("1E+8")},
        {"moment_micros": datetime.max.replace(tzinfo=WEST)},
        {"metres": 1e39},
        {"big": "5"},
        {"words": "\ud800"},
    ],
    ids=ascii,
)
def test_a_query_that_its_contract_cannot_hold_is_not_sent(samples: Samples, asked: dict[str, Any]) -> None:
    with pytest.raises(UnencodableError):
        samples.route.target(samples.classes.FindSamples(**asked))


def test_an_answer_with_a_name_twice_is_none(samples: Samples) -> None:
    body = b'{"page":1,"page_size":1,"complete":true,"next":null,"rows":[{"sample_id":"a","big":1,"big":2}]}'
    with pytest.raises(UndecodableError, match="'big' twice"):
        samples.route.read(body)


def test_a_parameter_of_json_with_a_name_twice_is_refused() -> None:
    fields = [{"name": "of", "type": {"type": "map", "values": "int"}}]
    query = replace(CATALOG.of(QuotePrice), schema={**CATALOG.of(QuotePrice).schema, "fields": fields})
    assert parameter_reader(query)({"of": '{"a": 1}'}) == {"of": {"a": 1}}
    with pytest.raises(HttpProblem, match="'a' stands twice") as caught:
        parameter_reader(query)({"of": '{"a": 1, "a": 2}'})
    assert (caught.value.status_code, caught.value.more) == (400, {"field": "of"})


def test_a_number_that_is_too_large_is_not_infinity(samples: Samples) -> None:
    for text in ("1e999", "-1e400"):
        with pytest.raises(HttpProblem, match="write a number"):
            samples.listing(f"hours={text}")
