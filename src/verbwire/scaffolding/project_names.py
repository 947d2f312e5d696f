"""What a new project may be called."""

from __future__ import annotations

import keyword
import sys
from importlib import metadata
from importlib.util import find_spec

from verbwire.errors import ConfigurationError, ContractError
from verbwire.names import require_dotted

_FOLDERS = frozenset({"schemas", "producers", "consumers", "streams", "tests"})


def require_project_name(name: str) -> str:
    """Return `name` if a project may be called so, else raise :class:`ConfigurationError` with one that would do.

    It begins namespaces, topics and groups, so it is a lower-case word. It is no name of Python's or of a package that
    is installed here: code of the project would sooner or later import one and mean the other.
    """
    if (why := _against(name)) is not None:
        raise ConfigurationError(f"a project cannot be called {name[:80]!r}: {why}")
    return name


def _against(name: str) -> str | None:
    try:
        require_dotted(name, "project")
    except ContractError:
        return f"use lower-case letters, digits and _, beginning with a letter{_instead(name)}"
    if "." in name:
        return "it is one word; contexts are called after it, like home.lights"
    if keyword.iskeyword(name) or keyword.issoftkeyword(name):
        return "that is a word of Python's"
    if name == "verbwire":
        return "that is the platform"
    if name in _FOLDERS:
        return "a folder of every project is called so"
    if name in sys.stdlib_module_names:
        return "a module of Python's library is called so"
    return _of_package(name)


def _instead(name: str) -> str:
    """Name one that would do, where there is a likely one."""
    other = "".join(each if each.isascii() and each.isalnum() else "_" for each in name.lower()).strip("_0123456789")[
        :63
    ]
    return f", for example {other}" if other and _against(other) is None else ""


def _of_package(name: str) -> str | None:
    if _is_distribution(name):
        return "a package that is installed here is called so"
    return "a module that Python finds here is called so" if _is_module(name) else None


def _is_distribution(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _is_module(name: str) -> bool:
    """A folder without code (a namespace package), as the one that is to be written may be, shadows nothing."""
    try:
        spec = find_spec(name)
    except (ImportError, ValueError):
        return True
    return spec is not None and spec.origin is not None
