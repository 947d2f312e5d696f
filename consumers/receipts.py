"""Receipts: one file for each order that was confirmed, as a printer or a mailbox would get it."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from consumers.files import write_whole
from schemas.orders import OrderConfirmed
from verbwire import Subscriber
from verbwire.project import load_settings

receipts = Subscriber("shop.receipts")


@receipts.on
def issue(event: OrderConfirmed) -> None:
    """Write the order's receipt; a redelivered event writes the same file again."""
    write_whole(receipt_file(event.order_id), receipt(event))


def receipt(event: OrderConfirmed) -> str:
    """Return the receipt's text, which depends on the event alone."""
    pounds, pence = divmod(event.total_pence, 100)
    return (
        f"Receipt for order {event.order_id}\n"
        f"Customer: {event.customer_id or 'guest'}, {event.country}\n"
        f"Placed:   {event.placed_at:%d %B %Y %H:%M} UTC\n"
        f"Total:    GBP {pounds:,}.{pence:02}\n"
    )


def receipt_file(order_id: str) -> Path:
    """Return where the receipt of an order lies: a number is anybody's text, a file's name is not."""
    return load_settings().data_folder / "receipts" / f"{quote(order_id, safe='')}.txt"
