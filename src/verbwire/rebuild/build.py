"""Builds a generation to its end, and says which one a step is about."""

from __future__ import annotations

from verbwire.errors import RebuildError
from verbwire.rebuild.plan import RebuildPlan, begin
from verbwire.rebuild.removal import left_over, remove
from verbwire.rebuild.shadow import ShadowOptions, Tell, run_shadow


def build(plan: RebuildPlan, options: ShadowOptions, partial: bool, tell: Tell) -> tuple[int, bool]:
    """Begin a generation, or go on with the one that is being built; return its number, and whether it is complete.

    What a command that was killed has left behind is deleted first. One that the workers follow by now is theirs.
    """
    for each in left_over(plan):
        remove(plan, each)
    number = begin(plan, partial)
    if number in plan.generations().followed:
        return number, True
    return number, run_shadow(plan, number, options, tell)


def number_for(plan: RebuildPlan, how: str) -> int:
    """Return the generation that ``switch``, ``rollback``, ``forget`` or ``discard`` means; RebuildError for none."""
    now = plan.generations()
    number = now.building if how in ("switch", "discard") else now.kept
    if number is not None:
        return number
    if how in ("switch", "discard"):
        raise RebuildError(f"no generation of {plan.group} is being built: begin with `verbwire rebuild {plan.group}`")
    raise RebuildError(f"no generation of {plan.group} is kept beside generation {now.serving}, which serves")
