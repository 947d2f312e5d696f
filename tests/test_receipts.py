"""Receipts as files: their text, their names, and once more."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from consumers.files import write_whole
from consumers.receipts import issue, receipt_file
from schemas.orders import OrderConfirmed

SOLD = OrderConfirmed(
    order_id="536365",
    customer_id="17850",
    country="United Kingdom",
    total_pence=1391207,
    placed_at=datetime(2010, 12, 1, 8, 26, tzinfo=UTC),
)


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VERBWIRE_DATA", str(tmp_path))
    return tmp_path


def test_a_confirmed_order_has_a_receipt() -> None:
    issue(SOLD)
    assert receipt_file("536365").read_text() == (
        "Receipt for order 536365\n"
        "Customer: 17850, United Kingdom\n"
        "Placed:   01 December 2010 08:26 UTC\n"
        "Total:    GBP 13,912.07\n"
    )


def test_hearing_of_it_twice_leaves_one_receipt_and_nothing_else(data: Path) -> None:
    issue(SOLD)
    issue(SOLD)
    assert [file.name for file in (data / "receipts").iterdir()] == ["536365.txt"]


def test_an_orders_number_cannot_lead_out_of_the_folder(data: Path) -> None:
    issue(replace(SOLD, order_id="../../etc/passwd", customer_id=None))
    (file,) = (data / "receipts").iterdir()
    assert file.read_text().startswith("Receipt for order ../../etc/passwd\nCustomer: guest")


def test_a_file_that_cannot_be_written_whole_leaves_the_old_one(data: Path) -> None:
    file = data / "report.csv"
    write_whole(file, "old")
    with pytest.raises(UnicodeEncodeError):
        write_whole(file, "new \ud800")
    assert file.read_text() == "old"
    assert list(data.iterdir()) == [file]
