"""The page of errors: the tree as the module draws it, and each class with what it says."""

from __future__ import annotations

from textwrap import dedent

import verbwire.errors


def tree() -> str:
    """Return the tree, in markdown."""
    drawn = (verbwire.errors.__doc__ or "").partition("::\n\n")[2].partition("\n\n")[0]
    return f"```text\n{dedent(drawn)}\n```\n"


def page() -> str:
    """Return the classes, in markdown around Sphinx's own directive."""
    classes = "\n".join(f".. autoclass:: verbwire.errors.{name}\n" for name in verbwire.errors.__all__)
    return f"```{{eval-rst}}\n{classes}\n```\n"
