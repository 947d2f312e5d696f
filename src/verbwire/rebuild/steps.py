"""Which generation a step is about."""

from __future__ import annotations

from verbwire.errors import RebuildError
from verbwire.rebuild.plan import RebuildPlan


def number_for(plan: RebuildPlan, how: str) -> int:
    """Return the generation that ``switch``, ``rollback``, ``forget`` or ``discard`` means; RebuildError for none."""
    now = plan.generations()
    number = now.building if how in ("switch", "discard") else now.kept
    if number is not None:
        return number
    if how in ("switch", "discard"):
        raise RebuildError(f"no generation of {plan.group} is being built: begin with `verbwire rebuild {plan.group}`")
    raise RebuildError(f"no generation of {plan.group} is kept beside generation {now.serving}, which serves")
