"""The table of exit statuses, from the enumeration and the comments beside its members."""

from __future__ import annotations

from docs.extensions.comments import comments_in
from docs.extensions.markdown import table
from verbwire.cli.exit_codes import Exit


def page() -> str:
    """Return each status with what it means, as a table in markdown."""
    said = {"DONE": "it is done"} | {name: text for name, text in comments_in(Exit).items() if text}
    return table(["ends with", "when"], [*([str(each.value), said[each.name]] for each in Exit), ["130", "Ctrl-C"]])
