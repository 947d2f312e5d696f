"""What a line of JSON belongs to: the record that its thread is at, and nothing of it where there is none."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from tests.kit import bank_jars
from tests.kit.bank import CATALOG
from tests.kit.samples.bank.jars import CoinsPut, PutCoins
from tests.platform.tracing.test_spans import traced
from verbwire import Subscriber, SubscriberContext
from verbwire.observability import log_fields
from verbwire.observability.logs import JsonFormatter
from verbwire.testing import InMemory

LOG = logging.getLogger("a.handler.of.users")


class Lines(logging.Handler):
    """Formats as a worker does, in the thread that logs."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonFormatter())
        self.told: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.told.append(json.loads(self.format(record)))


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    handler = Lines()
    for name in (LOG.name, "verbwire"):
        logging.getLogger(name).addHandler(handler)
    monkeypatch.setattr(log_fields, "_worker", "w1")
    yield handler.told
    for name in (LOG.name, "verbwire"):
        logging.getLogger(name).removeHandler(handler)


def bank(*more: Subscriber) -> InMemory:
    return InMemory(bank_jars.receiver(), bank_jars.table(), *more, catalog=CATALOG, actor="ann", scopes=["jars:write"])


def test_log_lines_of_a_handler_name_its_record_and_its_flow(lines: list[dict[str, Any]]) -> None:
    witness = Subscriber("bank.witness")

    @witness.on
    def see(event: CoinsPut, context: SubscriberContext) -> None:
        LOG.warning("seen")

    with bank(witness) as jars:
        jars.ask(PutCoins(jar_id="j", pence=1), id="c1")
    (line,) = (each for each in lines if each["message"] == "seen")
    assert line["group"].endswith("bank.witness")
    assert line["handler"].endswith("see")
    assert (line["worker"], line["partition"], line["offset"]) == ("w1", 0, 0)
    assert line["topic"].endswith("bank.jars.events")
    assert (line["message_id"], line["correlation_id"], line["causation_id"]) == ("c1:0", "c1", "c1")
    assert "trace_id" not in line


def test_log_lines_about_a_failed_command_name_it_and_its_trace(lines: list[dict[str, Any]]) -> None:
    with traced() as exporter, bank() as jars:
        jars.ask(PutCoins(jar_id="j", pence=1, how="raises"), id="c1")
    (line,) = (each for each in lines if " raised at " in each["message"])
    assert (line["message_id"], line["correlation_id"], line["level"]) == ("c1", "c1", "ERROR")
    (handled,) = (span for span in exporter.get_finished_spans() if span.name.startswith("process "))
    assert line["trace_id"] == f"{handled.context.trace_id:032x}"
    assert line["span_id"] == f"{handled.context.span_id:016x}"


def test_log_lines_of_other_threads_name_no_record(lines: list[dict[str, Any]]) -> None:
    LOG.warning("beside it all")
    (line,) = lines
    assert (line["worker"], line["thread"]) == ("w1", "MainThread")
    assert not {"topic", "offset", "message_id", "handler", "trace_id"} & line.keys()
