"""Builds a generation to its end, and says which one a step is about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from verbwire.errors import RebuildError
from verbwire.rebuild.diff import SAMPLES, RebuildDiff, diff
from verbwire.rebuild.plan import RebuildPlan, begin
from verbwire.rebuild.removal import left_over, remove
from verbwire.rebuild.shadow import ShadowOptions, Tell, run_shadow


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
    for each in left_over(plan):
        remove(plan, each)
    number = begin(plan, options.partial)
    found: list[RebuildDiff] = []

    def compare() -> None:
        found.append(diff(plan, plan.generations().serving, number, options.samples, step=step))

    if number in plan.generations().followed or (run_shadow(plan, number, options.shadow, tell, compare) and not found):
        compare()
    return number, found[-1] if found else None


def number_for(plan: RebuildPlan, how: str) -> int:
    """Return the generation that ``switch``, ``rollback``, ``forget`` or ``discard`` means; RebuildError for none."""
    now = plan.generations()
    number = now.building if how in ("switch", "discard") else now.kept
    if number is not None:
        return number
    if how in ("switch", "discard"):
        raise RebuildError(f"no generation of {plan.group} is being built: begin with `verbwire rebuild {plan.group}`")
    raise RebuildError(f"no generation of {plan.group} is kept beside generation {now.serving}, which serves")
