"""The check of an order's form: a question, answered from itself."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from consumers.forms import check_order_form
from schemas.forms import CheckOrderForm, FormCheck

GOOD = CheckOrderForm(order_id="536365", country="EIRE", total="139.12", note="by the back door")


@pytest.mark.parametrize("total", ["139.12", "139", "0.01", " 5.5 "])
def test_a_form_that_could_be_placed(total: str) -> None:
    assert check_order_form(replace(GOOD, total=total)) == FormCheck(ok=True)


@pytest.mark.parametrize(
    ("form", "field"),
    [
        (replace(GOOD, order_id=""), "order_id"),
        (replace(GOOD, order_id="536 365"), "order_id"),
        (replace(GOOD, country=" "), "country"),
        (replace(GOOD, total="139,12"), "total"),
        (replace(GOOD, total="-1"), "total"),
        (replace(GOOD, total="0.00"), "total"),
        (replace(GOOD, note="x" * 501), "note"),
    ],
)
def test_a_form_with_a_mistake_is_told_which_field(form: CheckOrderForm, field: str) -> None:
    answer = check_order_form(form)
    assert not answer.ok
    (reason,) = answer.reasons
    assert reason.startswith(f"{field}: ")


def test_all_mistakes_are_told_at_once() -> None:
    assert len(check_order_form(CheckOrderForm()).reasons) == 3
