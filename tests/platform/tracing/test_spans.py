"""Traces: spans from the client to the row, by the engine's own code in memory; nothing where tracing is off."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler
from opentelemetry.trace import SpanKind

from schemas.orders import PlaceOrder
from tests.kit import bank_jars
from tests.kit.bank import CATALOG
from tests.kit.http import SHELVES, ShelfRow, Table, serving, shelf
from tests.kit.samples.bank.jars import CoinsPut, PutCoins
from tests.shop import shop_in_memory
from verbwire import Subscriber, SubscriberContext
from verbwire.testing import InMemory
from verbwire.tracing import seam
from verbwire.tracing.opentelemetry import OtelTracer

SECRET_PENCE = 4711  # a value that no span may tell


@contextmanager
def traced(sampler: Sampler = ALWAYS_ON) -> Iterator[InMemorySpanExporter]:
    """Keep traces in memory."""
    exporter, provider = InMemorySpanExporter(), TracerProvider(sampler)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    seam.install(OtelTracer(provider))
    try:
        yield exporter
    finally:
        seam.install(None)
        provider.shutdown()


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    with traced() as exporter:
        yield exporter


def found(exporter: InMemorySpanExporter, name: str, group: str = "") -> ReadableSpan:
    """The one span of that name, and of that group."""
    chosen = [
        span
        for span in exporter.get_finished_spans()
        if span.name == name and group in ("", (span.attributes or {}).get("messaging.consumer.group.name"))
    ]
    assert len(chosen) == 1, [span.name for span in exporter.get_finished_spans()]
    return chosen[0]


def parents(*spans: ReadableSpan) -> None:
    """Each span is the parent of the next, in one trace."""
    for parent, child in pairwise(spans):
        assert child.parent is not None
        assert (child.parent.trace_id, child.parent.span_id) == (parent.context.trace_id, parent.context.span_id)


def bank(*more: Subscriber) -> InMemory:
    return InMemory(bank_jars.receiver(), bank_jars.table(), *more, catalog=CATALOG, actor="ann", scopes=["jars:write"])


def test_spans_lead_from_the_command_to_the_row(spans: InMemorySpanExporter) -> None:
    with bank() as jars:
        jars.ask(PutCoins(jar_id="j", pence=SECRET_PENCE), id="c1")
    names = {span.name for span in spans.get_finished_spans()}
    (commands,) = (name.removeprefix("send ") for name in names if name.startswith("send "))
    (events,) = (name.removeprefix("create ") for name in names if name.startswith("create "))
    sent, handled = found(spans, f"send {commands}"), found(spans, f"process {commands}")
    created, folded = found(spans, f"create {events}"), found(spans, f"process {events}")
    parents(sent, handled, created, folded)
    assert (sent.kind, handled.kind, created.kind) == (SpanKind.PRODUCER, SpanKind.CONSUMER, SpanKind.PRODUCER)
    assert handled.attributes is not None
    told = dict(handled.attributes)
    assert str(told.pop("messaging.consumer.group.name")).endswith("bank.jars.aggregate")
    assert told == {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": commands,
        "messaging.destination.partition.id": "0",
        "messaging.kafka.offset": 0,
        "messaging.message.id": "c1",
        "verbwire.message.type": "bank.jars.PutCoins",
        "verbwire.outcome": "accepted",
    }
    assert [link.context.span_id for link in handled.links] == [sent.context.span_id]
    assert str(SECRET_PENCE) not in "".join(span.to_json() for span in spans.get_finished_spans())


def test_spans_of_a_transaction_are_linked_to_what_it_dealt_with(spans: InMemorySpanExporter) -> None:
    with bank() as jars:
        jars.send_all(PutCoins(jar_id=f"j{number}", pence=1) for number in range(3))
    commits = [span for span in spans.get_finished_spans() if span.name.startswith("commit ")]
    handled = {span.context.span_id for span in spans.get_finished_spans() if span.name.startswith("process ")}
    assert {link.context.span_id for span in commits for link in span.links} == handled
    assert len(handled) == 6  # three commands, three events


def test_spans_tell_a_rejection_and_a_failure_apart(spans: InMemorySpanExporter) -> None:
    with bank() as jars:
        jars.ask(PutCoins(jar_id="j", pence=2), id="c1")
        jars.ask(PutCoins(jar_id="j", pence=999_999), id="c2")
        jars.ask(PutCoins(jar_id="j", pence=1, how="raises"), id="c3")
    ended = {}
    for span in spans.get_finished_spans():
        said = dict(span.attributes or {})
        if span.name.startswith("process ") and said["verbwire.message.type"] == "bank.jars.PutCoins":
            ended[said["messaging.message.id"]] = (
                said["verbwire.outcome"],
                said.get("verbwire.rejection"),
                span.status.is_ok or span.status.is_unset,
            )
    assert ended["c1"] == ("accepted", None, True)
    assert ended["c2"] == ("rejected", "jar_full", True)
    assert ended["c3"] == ("failed", None, False)


def test_spans_of_a_process_go_on_with_the_commands_that_it_sends(spans: InMemorySpanExporter) -> None:
    """A checkout of the shop: carts, the process, orders, accounts, all in one trace."""
    noon = datetime(2010, 12, 1, 12, tzinfo=UTC)
    with shop_in_memory() as shop:
        shop.ask(PlaceOrder(order_id="7", customer_id="17850", country="EIRE", total_pence=500, placed_at=noon))
    finished = [span for span in spans.get_finished_spans() if not span.name.startswith("commit ")]
    assert len({span.context.trace_id for span in finished}) == 1
    types = {(span.name.split()[0], dict(span.attributes or {})["verbwire.message.type"]) for span in finished}
    assert {("process", "shop.orders.PlaceOrder"), ("process", "shop.orders.OrderPlaced")} <= types
    assert ("create", "shop.accounts.DebitBalance") in types
    assert ("process", "shop.orders.ConfirmOrder") in types


def test_spans_of_a_subscriber_are_current_while_its_handler_runs(spans: InMemorySpanExporter) -> None:
    seen: list[str | None] = []
    witness = Subscriber("bank.witness")

    @witness.on
    def see(event: CoinsPut, context: SubscriberContext) -> None:
        tracer = seam.active()
        seen.append(tracer.current() if tracer else None)

    with bank(witness) as jars:
        jars.ask(PutCoins(jar_id="j", pence=2), id="c1")
        group = next(
            str(said["messaging.consumer.group.name"])
            for span in spans.get_finished_spans()
            if str((said := span.attributes or {}).get("messaging.consumer.group.name", "")).endswith("witness")
        )
    events = next(span.name.removeprefix("create ") for span in spans.get_finished_spans() if "create" in span.name)
    handled = found(spans, f"process {events}", group)
    assert seen == [f"00-{handled.context.trace_id:032x}-{handled.context.span_id:016x}-01"]
    parents(found(spans, f"create {events}"), handled)


def test_spans_are_not_kept_of_what_is_not_sampled() -> None:
    with traced(ALWAYS_OFF) as exporter, bank() as jars:
        jars.ask(PutCoins(jar_id="j", pence=1))
    assert exporter.get_finished_spans() == ()


def test_spans_are_unknown_to_the_engine_where_tracing_is_off() -> None:
    with bank() as jars:
        jars.ask(PutCoins(jar_id="j", pence=1))
        groups = [group for group in jars._groups.values() if hasattr(group, "topology")]
    processors = [group.topology.processor for group in groups]
    assert [getattr(each, "tracing", None) or getattr(each, "around", None) for each in processors] == [None, None]


def test_spans_of_requests_have_the_route_and_not_the_path(spans: InMemorySpanExporter, tmp_path: Path) -> None:
    shelves = Table(tmp_path, SHELVES, ShelfRow)
    shelves.put([shelf(1)])
    caller = "00-" + "1" * 32 + "-" + "2" * 16 + "-01"
    with serving([shelves]) as http:
        http.operator.get("/tables/shelves/shelf%2000001", headers={"traceparent": caller})
        http.nobody.get("/tables/shelves/shelf%2000001")
        http.nobody.get("/health/live")
    first, second = spans.get_finished_spans()
    assert first.name == "GET /tables/{name}/{key}"
    assert dict(first.attributes or {}) == {
        "http.request.method": "GET",
        "http.route": "/tables/{name}/{key}",
        "http.response.status_code": 200,
    }
    assert first.kind is SpanKind.SERVER
    assert f"{first.context.trace_id:032x}" == "1" * 32
    assert first.parent is not None
    assert f"{first.parent.span_id:016x}" == "2" * 16
    assert (second.name, dict(second.attributes or {})["http.response.status_code"]) == ("GET", 401)
