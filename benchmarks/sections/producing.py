"""Producing. It fills the topics that other sections read."""

from __future__ import annotations

from benchmarks.rounds import Round


def events(round: Round) -> None:
    """Events by hand, and by the client."""
    group = round.group("Producing events, until the broker has acknowledged the last")
    place = round.place("orders")
    round.need(place, "bare", "warm_up")
    for module, name in (("bare", "produce_with_headers"), ("bare", "produce"), ("sdk", "publish")):
        round.measure(group, place, module, name)


def commands(round: Round) -> None:
    """Commands by hand, and by the client."""
    group = round.group("Producing commands, until the broker has acknowledged the last")
    place = round.place("desk")
    round.need(place, "bare", "warm_up")
    for module, name in (("bare", "produce_commands"), ("sdk", "send")):
        round.measure(group, place, module, name)
