"""The Python API: the names that each public module promises in its ``__all__``."""

from __future__ import annotations

import importlib
import inspect

MODULES = (
    "verbwire",
    "verbwire.client",
    "verbwire.testing",
    "verbwire.project",
    "verbwire.records",
    "verbwire.tokens",
    "verbwire.embedded",
)


def page() -> str:
    """Return a section for each module, in markdown around Sphinx's own directives."""
    return "\n".join(section(name) for name in MODULES)


def section(name: str) -> str:
    """Return what one module offers; what it only passes on stands where it is first offered."""
    module = importlib.import_module(name)
    own = [each for each in module.__all__ if (name, each) in first_offers()]
    directives = "\n".join(_directive(name, each, getattr(module, each)) for each in own)
    return f"## {name}\n\n```{{eval-rst}}\n.. currentmodule:: {name}\n\n{directives}\n```\n"


def first_offers() -> set[tuple[str, str]]:
    """Return module and name of each thing that is offered, once each, though several modules may have it."""
    seen: set[int] = set()
    found = set()
    for name in MODULES:
        module = importlib.import_module(name)
        for each in module.__all__:
            offered = getattr(module, each)
            if id(offered) not in seen or not callable(offered):
                seen.add(id(offered))
                found.add((name, each))
    return found


def _directive(module: str, name: str, offered: object) -> str:
    if inspect.isclass(offered):
        return f".. autoclass:: {module}.{name}\n"
    return f".. auto{'function' if inspect.isfunction(offered) else 'data'}:: {module}.{name}\n"
