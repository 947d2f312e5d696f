"""The page of errors: the tree as the module draws it, and each class with what it says."""

from __future__ import annotations

from textwrap import dedent

import verbwire.errors


def page() -> str:
    """Return the tree and the classes, in markdown."""
    drawn = (verbwire.errors.__doc__ or "").partition("::\n\n")[2].partition("\n\n")[0]
    classes = "\n".join(f".. autoclass:: verbwire.errors.{name}\n" for name in verbwire.errors.__all__)
    return f"```text\n{dedent(drawn)}\n```\n\n## Each of them\n\n```{{eval-rst}}\n{classes}\n```\n"
