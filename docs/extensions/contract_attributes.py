"""Which attributes go with which kinds of messages, which bounds with which types, as the checks have it."""

from __future__ import annotations

from docs.extensions.markdown import table
from verbwire.contracts.schema.attributes import ALLOWED
from verbwire.contracts.schema.bounds import GOES_WITH
from verbwire.contracts.schema.grammar import LOGICAL_TYPES
from verbwire.messages import Kind


def page() -> str:
    """Return the three tables, in markdown."""
    return f"## Attributes by kind\n\n{kinds()}\n## Bounds by type\n\n{bounds()}\n## Logical types\n\n{logical()}"


def kinds() -> str:
    """Return a line for each attribute, a column for each kind."""
    rows = [[f"`{name}`", *("yes" if kind in of else "" for kind in Kind)] for name, of in ALLOWED.items()]
    return table(["attribute", *Kind], rows)


def bounds() -> str:
    """Return a line for each sort of types that has bounds."""
    return table(["values", "words"], [[sort, ", ".join(f"`{word}`" for word in of)] for sort, of in GOES_WITH.items()])


def logical() -> str:
    """Return a line for each logical type."""
    return table(
        ["logicalType", "stands on"],
        [[f"`{name}`", ", ".join(f"`{type}`" for type in on)] for name, on in sorted(LOGICAL_TYPES.items())],
    )
