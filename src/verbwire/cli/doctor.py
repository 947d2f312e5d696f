"""``verbwire doctor``: looks at everything that may be wrong, and says of each finding what to do."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import msgspec

from verbwire.cli.exit_codes import Exit
from verbwire.cli.output import AsJson, print_json, print_text
from verbwire.settings import load_settings

if TYPE_CHECKING:
    from verbwire.inspection.doctor.examination import Examination


def doctor(as_json: AsJson = False) -> None:
    """Examine this machine, the brokers, the registry, topics, keys, receivers, transactions, rebuilds, groups
    and workers.

    Nothing is changed. Ends with 0 when nothing was found, 1 when something was, 3 when something could not be asked.

    \b
    verbwire doctor
    verbwire doctor --json | jq '.diagnoses[] | select(.grave)'
    """
    from verbwire.inspection.doctor.examination import examine
    from verbwire.inspection.reading.cluster_view import opened
    from verbwire.project import load_project

    with opened(load_project(load_settings())) as view:
        found = examine(view)
    if as_json:
        print_json(msgspec.to_builtins(found))
    else:
        _print(found)
    if found.diagnoses:
        sys.exit(Exit.FOUND)
    if found.unknown:
        sys.exit(Exit.UNAVAILABLE)


def _print(found: Examination) -> None:
    for name, fact in found.facts.items():
        print_text(f"{name}: {fact}")
    print()
    for each in found.diagnoses:
        print_text(f"{'GRAVE' if each.grave else 'odd  '}  {each.about}: {each.what}\n       -> {each.do}")
    for what, why in found.unknown.items():
        print_text(f"?      {what}: {why}")
    if not (found.diagnoses or found.unknown):
        print("nothing was found")
