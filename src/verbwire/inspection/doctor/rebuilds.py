"""Rebuilds that wait for somebody: a generation that is kept for long, one that nobody builds, a switch half way."""

from __future__ import annotations

from collections.abc import Iterator

from verbwire.inspection.doctor.diagnosis import Diagnosis, Patient
from verbwire.rebuild.report import RebuildState, rebuilds

_CHECK = "rebuilds"
_SWITCH_SECONDS = 900.0  # a switch waits for its workers for ten minutes, then its command gives up
_DAY = 86_400.0


def check_rebuilds(patient: Patient) -> Iterator[Diagnosis]:
    """Look at the generations of all tables that were ever rebuilt."""
    found = rebuilds(patient.view, sample_seconds=0.0)
    if found.tables:
        patient.facts["rebuilds"] = f"{len(found.tables)} tables were rebuilt"
    for each in found.tables:
        yield from rebuild_diagnoses(each, patient.kept_days)


def rebuild_diagnoses(found: RebuildState, kept_days: float) -> Iterator[Diagnosis]:
    """Judge one table: what is kept for longer than so many days has been forgotten."""
    table, days = found.table, found.seconds / _DAY
    if found.kept is not None and days > kept_days:
        way_back = "puts that back" if found.aggregate else "goes back to it"
        yield _odd(table, _kept(found, days), f"`verbwire rebuild {table} --forget` deletes it; --rollback {way_back}")
    if found.exchanging is not None:
        if found.unfinished and found.seconds > _SWITCH_SECONDS:
            yield _odd(
                table,
                f"its partitions were taking the states of generation {found.exchanging}, and nobody goes on with "
                "that: some decide on these states, others on those of before",
                f"`verbwire rebuild {table} --switch` ends it",
            )
    elif found.unfinished and found.seconds > _SWITCH_SECONDS:
        other = found.kept if found.building is None else found.building
        step = "--rollback" if found.building is None else "--switch"
        yield _odd(
            table,
            f"a switch to generation {other} was begun and not finished: generation {found.serving} serves on, the "
            "workers follow both",
            f"give `verbwire rebuild {table} {step}` again, or "
            + ("--forget" if found.building is None else "--discard")
            + " what does not serve",
        )
    if found.builders == 0:
        left = "" if found.progress is None else f", {found.progress.left:,} records are to go"
        yield _odd(
            table,
            f"generation {found.building} is being built, and nobody builds it{left}",
            f"`verbwire rebuild {table}` goes on with it and compares; then --switch, or --discard it",
        )
    if found.left_over:
        numbers = ", ".join(map(str, found.left_over))
        yield _odd(
            table,
            f"topics of generation {numbers} are left over: whoever deleted it was killed before the end",
            "`verbwire deploy --prune` deletes them, after asking",
        )


def _kept(found: RebuildState, days: float) -> str:
    if found.aggregate:
        return f"generation {found.kept} has kept for {days:,.0f} days what its states were before they were exchanged"
    return (
        f"generation {found.kept} is kept up to date beside {found.serving}, which serves, for {days:,.0f} days: "
        "twice the disk, and each event is folded twice"
    )


def _odd(about: str, what: str, do: str) -> Diagnosis:
    return Diagnosis(check=_CHECK, about=about, what=what, do=do)
