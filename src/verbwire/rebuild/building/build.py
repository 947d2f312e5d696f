"""Builds a generation to its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from verbwire.rebuild.building.shadow import ShadowOptions, Tell, run_shadow, workers_trust
from verbwire.rebuild.diff import SAMPLES, RebuildDiff, diff
from verbwire.rebuild.plan import RebuildPlan, begin
from verbwire.rebuild.removal import left_over, remove


@dataclass(frozen=True)
class BuildOptions:
    """How it is built, from what is left of its topics where `partial`, and how many rows of each kind a diff shows."""

    shadow: ShadowOptions
    partial: bool = False
    samples: int = SAMPLES


def build(
    plan: RebuildPlan, options: BuildOptions, tell: Tell, step: Callable[[], None] = lambda: None
) -> tuple[int, RebuildDiff | None]:
    """Begin a generation, or go on with the one that is being built; return its number, and how it differs.

    None: it is not complete, a signal has ended it. What a command that was killed has left behind is deleted first.
    One that the workers follow by now is theirs. `step` is called for each record that is compared.
    """
    workers_trust(plan.view.project.settings)  # before anything is begun
    for each in left_over(plan):
        remove(plan, each)
    number = begin(plan, options.partial)
    found: list[RebuildDiff] = []

    def compare() -> None:
        found.append(diff(plan, plan.generations().serving, number, options.samples, step=step))

    if number in plan.generations().followed or (run_shadow(plan, number, options.shadow, tell, compare) and not found):
        compare()
    return number, found[-1] if found else None
