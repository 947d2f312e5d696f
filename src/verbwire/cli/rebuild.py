"""``verbwire rebuild``: makes rows or states anew beside those that serve, compares, switches, goes back, lets go.

Without a name it lists what was rebuilt (`generations`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from verbwire.cli.exit_codes import Exit
from verbwire.cli.output import AsJson, print_error, print_json, print_table, print_text
from verbwire.cli.progress import CountedProgress, ProgressLine
from verbwire.errors import ConfigurationError
from verbwire.observability.logs import quieten
from verbwire.settings import load_settings

if TYPE_CHECKING:
    from verbwire.rebuild.diff import RebuildDiff
    from verbwire.rebuild.plan import RebuildPlan
    from verbwire.rebuild.progress import RebuildProgress

_COLUMNS = ("row", "is", "field", "serving", "rebuilt")


def rebuild(
    table: Annotated[
        str | None,
        typer.Argument(help="A table or an aggregate, as declared or by a short name; none: list what was rebuilt."),
    ] = None,
    rate: Annotated[
        int | None, typer.Option("--rate", min=1, help="At most so many records a second in this process.")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Once it is complete keep it up to date, until Ctrl-C or the switch.")
    ] = False,
    partial: Annotated[
        bool, typer.Option("--partial", help="Also where topics have lost their first records: of what is left.")
    ] = False,
    samples: Annotated[int, typer.Option("--samples", min=0, help="Rows of each kind that the diff shows.")] = 10,
    switch: Annotated[
        bool, typer.Option("--switch", help="Have all workers use what was rebuilt; the old rows are kept.")
    ] = False,
    rollback: Annotated[bool, typer.Option("--rollback", help="Have them use the old rows again.")] = False,
    forget: Annotated[
        bool, typer.Option("--forget", help="Delete the generation that does not serve any more.")
    ] = False,
    discard: Annotated[bool, typer.Option("--discard", help="Give up what is being built, and delete it.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Delete without asking.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a table's rows, or an aggregate's states, anew from the first event on, and show how they differ.

    Killed, it goes on where it was when it is run again; several at once share the work. Nothing that serves changes
    before --switch. Without a name it lists the generations that there are.
    """
    from verbwire.cli.generations import list_generations
    from verbwire.inspection.reading.cluster_view import opened
    from verbwire.project import load_project
    from verbwire.rebuild.plan import RebuildPlan

    steps = {"switch": switch, "rollback": rollback, "forget": forget, "discard": discard}
    chosen = [name for name, on in steps.items() if on]
    if len(chosen) > 1:
        raise ConfigurationError(f"give one of {' and '.join(f'--{each}' for each in chosen)}")
    if table is None and (chosen or rate is not None or follow or partial):
        raise ConfigurationError("say of which table or aggregate: `verbwire rebuild` lists those that were rebuilt")
    with opened(load_project(load_settings())) as view:
        if table is None:
            list_generations(view, as_json)
            return
        plan = RebuildPlan.of(view, table)
        match chosen:
            case ["switch" | "rollback" as how]:
                _switch(plan, how, as_json)
            case ["forget" | "discard" as how]:
                _let_go(plan, how, yes, as_json)
            case _:
                _build(plan, rate, follow, partial, samples, as_json)


def _build(plan: RebuildPlan, rate: int | None, follow: bool, partial: bool, samples: int, as_json: bool) -> None:
    from verbwire.rebuild.building.build import BuildOptions, build
    from verbwire.rebuild.building.shadow import ShadowOptions

    options = BuildOptions(ShadowOptions(rate, follow), partial, samples)
    quieten()  # the line says how far it is
    with _BuildLine() as line, CountedProgress() as compared:
        number, found = build(plan, options, line.tell, compared.count)
    if found is None:
        print_error(f"generation {number} of {plan.group} is not complete: the same command goes on with it")
        raise typer.Exit(Exit.FOUND)
    if as_json:
        print_json(msgspec.to_builtins(found))
        return
    _print_diff(found)
    print_text(_next(plan, number))


def _next(plan: RebuildPlan, number: int) -> str:
    switch = f"`verbwire rebuild {plan.group} --switch`"
    if plan.folds:
        return (
            f"Nothing has changed for those who send commands. {switch} has them decided on the states of generation "
            f"{number}, --discard deletes it"
        )
    return (
        f"Nothing has changed for those who ask. {switch} has them answered from generation {number}, --discard "
        "deletes it"
    )


class _BuildLine(ProgressLine):
    """How far it is: a line on a terminal, elsewhere one every ten seconds."""

    def __init__(self) -> None:
        self._found: RebuildProgress | None = None
        super().__init__(lambda: "" if self._found is None else said(self._found))

    def tell(self, found: RebuildProgress) -> None:
        self._found = found
        self.step()


def said(found: RebuildProgress) -> str:
    """Return how far a rebuild is, in one line."""
    from verbwire.cli.generations import progress_text

    return f"{found.table} generation {found.generation}: {progress_text(found)}"


def _switch(plan: RebuildPlan, how: str, as_json: bool) -> None:
    from verbwire.rebuild.building.exchange import exchange
    from verbwire.rebuild.steps import number_for
    from verbwire.rebuild.switch import SwitchOptions, switch

    quieten()
    options = SwitchOptions(say=lambda text: None if as_json else print_text(text))
    number = number_for(plan, how)
    done = exchange(plan, number, options) if plan.folds else switch(plan, number, options)
    if as_json:
        print_json({"table": plan.group, "serving": done.serving, "paused_seconds": done.paused_seconds})
        return
    kept = plan.generations().kept
    if plan.folds:
        print_text(
            f"{plan.group} decides on the states of generation {done.serving}, at {done.workers} workers; the states "
            f"could not be read for {done.paused_seconds:.1f} s at most, its commands waited partition by partition"
        )
        print_text(f"Generation {kept} keeps what they replaced: --rollback puts it back, --forget deletes it")
        return
    print_text(
        f"{plan.group} is answered from generation {done.serving} by {done.workers} workers; requests waited for "
        f"{done.paused_seconds:.1f} s at most"
    )
    print_text(f"Generation {kept} is kept up to date: --rollback goes back to it, --forget deletes it")


def _let_go(plan: RebuildPlan, how: str, yes: bool, as_json: bool) -> None:
    from verbwire.rebuild import removal
    from verbwire.rebuild.steps import number_for

    number = number_for(plan, how)
    if not yes:
        typer.confirm(f"Delete generation {number} of {plan.group} with its topics? It does not come back", abort=True)
    done = removal.forget(plan) if how == "forget" else removal.discard(plan)
    if as_json:
        print_json({"table": plan.group, "deleted": done})
    else:
        print_text(f"generation {done} of {plan.group} is deleted")


def _print_diff(found: RebuildDiff) -> None:
    if found.samples:
        print_table(_COLUMNS, _lines(found))
    print_text(
        f"generation {found.old}: {found.old_rows:,} rows; generation {found.new}: {found.new_rows:,} rows. "
        f"{found.added:,} added, {found.removed:,} removed, {found.changed:,} changed"
    )
    if found.moving:
        print_text(f"{found.moving:,} more were being written, and are not judged: ask again for those")


def _lines(found: RebuildDiff) -> Iterator[tuple[str, ...]]:
    for each in found.samples:
        for field, (old, new) in each.fields.items():
            yield each.key, each.what, field, _value(old), _value(new)


def _value(value: object) -> str:
    return "-" if value is None else json.dumps(value, ensure_ascii=False, default=str)
