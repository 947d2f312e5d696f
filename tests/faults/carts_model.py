"""What the shop's carts must come to, written a second time: dictionaries in, dictionaries out, nothing imported.

Shares no line with `consumers` and `streams`; the rules are those of producers/data/README.md and of the contracts.
"""

from __future__ import annotations

from typing import Any

Fields = dict[str, Any]

ADD, CHECK_OUT = "shop.carts.AddProductToCart", "shop.carts.CheckOutCart"
ADDED, CHECKED_OUT = "shop.carts.ProductAddedToCart", "shop.carts.CartCheckedOut"


def decide(state: Fields | None, name: str, command: Fields) -> tuple[str | None, list[tuple[str, Fields]]]:
    """Return the code of the refusal, or None and the events."""
    closed = state is not None and state["checked_out"]
    if name == ADD:
        for code, refused in (
            ("quantity_not_positive", command["quantity"] < 1),
            ("price_not_positive", command["unit_price_pence"] < 1),
            ("already_checked_out", closed),
        ):
            if refused:
                return code, []
        return None, [(ADDED, {**command, "line_pence": command["quantity"] * command["unit_price_pence"]})]
    if name == CHECK_OUT:
        if state is None:
            return "empty_cart", []
        if closed:
            return "already_checked_out", []
        return None, [(CHECKED_OUT, {**command, "lines": state["lines"], "total_pence": state["total_pence"]})]
    raise AssertionError(f"no command of carts is called {name}")


def state_after(state: Fields | None, name: str, event: Fields) -> Fields:
    """Return the aggregate's state after an event."""
    state = dict(state or {"cart_id": event["cart_id"], "lines": 0, "total_pence": 0, "checked_out": False})
    if name == ADDED:
        state["lines"] += 1
        state["total_pence"] += event["line_pence"]
    else:
        state["checked_out"] = True
    return state


def sum_after(row: Fields | None, name: str, event: Fields) -> Fields:
    """Return the row of `added_table.py` after an event: it fills three fields alone."""
    row = dict(row or {**_new_row(event), "country": None})
    if name == ADDED:
        row["lines"] += 1
        row["total_pence"] += event["line_pence"]
    else:
        row["status"] = "CHECKED_OUT"
    return row


def row_after(row: Fields | None, name: str, event: Fields) -> Fields:
    """Return the table's row after an event."""
    row = dict(row or _new_row(event))
    if name == ADDED:
        product = {part: event[part] for part in ("stock_code", "description", "quantity", "unit_price_pence")}
        row["customer_id"] = row["customer_id"] or event["customer_id"]
        row["lines"] += 1
        row["quantity"] += event["quantity"]
        row["total_pence"] += event["line_pence"]
        row["products"] = [*row["products"], product]
    else:
        row |= {"status": "CHECKED_OUT"} | {part: event[part] for part in ("customer_id", "country", "checked_out_at")}
    return row


def _new_row(event: Fields) -> Fields:
    return {
        "cart_id": event["cart_id"],
        "status": "OPEN",
        "customer_id": None,
        "country": event["country"],
        "lines": 0,
        "quantity": 0,
        "total_pence": 0,
        "checked_out_at": None,
        "products": [],
    }
