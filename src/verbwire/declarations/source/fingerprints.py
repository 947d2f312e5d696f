"""A fingerprint of a function's code, with all of the project's own that it reaches: helpers, constants, classes.

Equal fingerprints: the same code, whatever its comments, docstrings and layout, and whichever Python read it. Other
ones: something of it was written otherwise. What libraries do, and what is read from files or the environment, is not
seen.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

from verbwire.declarations.source import syntax
from verbwire.declarations.source.modules import Module, ModuleSources

_PLAIN = (bool, int, float, complex, str, bytes, type(None))


class SourceUnavailableError(Exception):
    """The source of a function is not there, as in an interactive session, or is not what runs."""


def fingerprint(function: Callable[..., Any], sources: ModuleSources) -> str:
    """Return eight hexadecimal digits; SourceUnavailableError where the function's source cannot be read."""
    try:
        reached = _Reached(sources)
        reached.begin(function)
        text = "\n".join(reached.told())
    except (OSError, SyntaxError, ValueError, RecursionError) as error:
        raise SourceUnavailableError(f"{function!r}: {error}") from error
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def of_text(text: str) -> str:
    """Return the fingerprint of a text, for what is no function."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]


@dataclass
class _Reached:
    """Pieces of source in the order in which they are reached, each once; names lead from one to another by number."""

    sources: ModuleSources
    pieces: list[tuple[Module, ast.AST]] = field(default_factory=list)
    numbers: dict[int, int] = field(default_factory=dict)  # of a node
    held: list[str] = field(default_factory=list)  # what closures hold

    def begin(self, function: Any) -> None:
        """Add a function, what it wraps, and what its closure holds; SourceUnavailableError where none can be read."""
        before = len(self.pieces)
        seen: set[int] = set()
        while isinstance(function, FunctionType) or hasattr(function, "__wrapped__"):
            if id(function) in seen:
                break
            seen.add(id(function))
            if isinstance(function, FunctionType):
                self._add(function)
            function = getattr(function, "__wrapped__", None)
        if len(self.pieces) == before:
            raise SourceUnavailableError(f"the source of {function!r} is not in {self.sources.root}")

    def told(self) -> Iterator[str]:
        """Yield the form of each piece, followed by where its names lead."""
        yield from self.held
        for module, node in self.pieces:  # grows
            yield syntax.form(node)
            for path in syntax.paths(node):
                for found in self.sources.meaning(module, path, node):
                    yield f"{'.'.join(path)} = {self._number(*found)}"

    def _number(self, module: Module, node: ast.AST) -> int:
        if id(node) not in self.numbers:
            self.numbers[id(node)] = len(self.pieces)
            self.pieces.append((module, node))
        return self.numbers[id(node)]

    def _add(self, function: FunctionType) -> None:
        module = self.sources.module(function.__module__ or "")
        if module is None:
            return
        for node in _definitions(module, function):
            if id(node) in self.numbers:
                return
            self._number(module, node)
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            self._hold(name, cell)

    def _hold(self, name: str, cell: Any) -> None:
        try:
            value = cell.cell_contents
        except ValueError:  # not bound yet
            return
        if type(value) in _PLAIN:
            self.held.append(f"{name} holds {value!r}")
        elif isinstance(value, FunctionType):
            self._add(value)


def _definitions(module: Module, function: FunctionType) -> list[ast.AST]:
    """Return the nodes that a function object was made from; SourceUnavailableError where none is there."""
    line, name = function.__code__.co_firstlineno, function.__code__.co_name
    found: list[ast.AST] = [
        each
        for each in ast.walk(module.tree)
        if (isinstance(each, syntax.Function) and each.name == name and syntax.first_line(each) == line)
        or (isinstance(each, ast.Lambda) and name == "<lambda>" and each.lineno == line)
    ]
    if not found:
        raise SourceUnavailableError(f"{module.name} has changed since it was imported: no {name} in line {line}")
    return found
