"""Clients are kept, replaced and let go of: each has threads and descriptors. No broker."""

from __future__ import annotations

from verbwire.idle import let_go_of_what_idles
from verbwire.kafka.recreatable import ReplaceableClient


def test_a_client_that_nobody_asks_for_is_let_go_of_and_made_again() -> None:
    kept, idle = ReplaceableClient(object), ReplaceableClient(object, dispensable=True)
    first, other = idle.get(), kept.get()
    let_go_of_what_idles(30.0)
    assert idle.get() is first, "asked for a moment ago"
    let_go_of_what_idles(0.0)
    assert kept.get() is other, "not dispensable: it may have records that wait"
    assert idle.get() is not first


def test_a_client_that_failed_is_replaced_once_for_all_who_saw_it() -> None:
    client = ReplaceableClient(object)
    first = client.get()
    client.failed(first)
    second = client.get()
    client.failed(first)
    assert client.get() is second is not first
