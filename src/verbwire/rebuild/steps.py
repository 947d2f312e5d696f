"""Which generation a step is about."""

from __future__ import annotations

from verbwire.errors import RebuildError
from verbwire.rebuild.plan import RebuildPlan


def number_for(plan: RebuildPlan, how: str) -> int:
    """Return the generation that ``switch``, ``rollback``, ``forget`` or ``discard`` means; RebuildError for none."""
    now = plan.generations()
    if now.exchange is not None:
        if how in ("switch", "rollback"):
            return now.exchange.rows
        raise RebuildError(f"a switch of {plan.group} is under way: `verbwire rebuild {plan.group} --switch` ends it")
    number = now.building if how in ("switch", "discard") else now.kept
    if number is not None:
        return number
    if how in ("switch", "discard"):
        raise RebuildError(f"no generation of {plan.group} is being built: begin with `verbwire rebuild {plan.group}`")
    raise RebuildError(f"no generation of {plan.group} is kept beside generation {now.serving}, which serves")


def compared(plan: RebuildPlan) -> int:
    """Return the generation that is compared with the one that serves; RebuildError where there is no other."""
    now = plan.generations()
    number = now.building
    if number is None and not plan.folds:  # of an aggregate only what was replaced is kept
        number = now.kept
    if number is None:
        raise RebuildError(f"{plan.group} has no generation beside {now.serving}, which serves: nothing to compare")
    return number


def require_same(plan: RebuildPlan, seen: int | None, number: int) -> None:
    """Raise RebuildError where a step that somebody wants of a generation would be one of another."""
    if seen is not None and seen != number:
        raise RebuildError(
            f"of {plan.group} it is generation {number} by now, not {seen}: nothing was done, look again"
        )
