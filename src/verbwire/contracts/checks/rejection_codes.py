"""Which rejection codes a handler can return: found in its source, without running it."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import FunctionType, ModuleType
from typing import Any

from verbwire.messages import Rejected


@dataclass
class RejectionCodes:
    """The codes of the ``Rejected(...)`` calls in a handler, each with the place of one of them."""

    places: dict[str, str] = field(default_factory=dict)  # code: file:line
    unknown: list[str] = field(default_factory=list)  # where a code is computed, or source is missing


def rejection_codes(function: Callable[..., Any]) -> RejectionCodes:
    """Return the codes in a handler and in the functions of its own module that it calls.

    A code is read where it is a literal, a constant of the module, or a choice between such. What is computed
    otherwise, and a function without source, is listed as unknown.
    """
    found = RejectionCodes()
    _collect(function, found, set())
    return found


def _collect(function: Callable[..., Any], found: RejectionCodes, seen: set[FunctionType]) -> None:
    function = inspect.unwrap(function.func if isinstance(function, partial) else function)
    function = getattr(function, "__func__", function)
    if not isinstance(function, FunctionType):
        found.unknown.append(repr(function))
        return
    if function in seen:
        return
    seen.add(function)
    tree, start = parsed(function)
    if tree is None:
        found.unknown.append(f"{function.__module__}.{function.__qualname__}")
        return
    names = {**function.__globals__, **_closure(function)}
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        called = _value(call.func, names)
        if called is Rejected:
            place = f"{function.__code__.co_filename}:{start + call.lineno - 1}"
            codes = _codes(_code_argument(call), names)
            found.places |= {code: place for code in codes or () if code not in found.places}
            found.unknown += [place] if codes is None else []
        elif isinstance(called, FunctionType) and called.__module__ == function.__module__:
            _collect(called, found, seen)


def parsed(function: FunctionType) -> tuple[ast.AST | None, int]:
    """Return a function's source as a tree, and the line at which it begins; None without source."""
    try:
        lines, start = inspect.getsourcelines(function)
        return ast.parse(textwrap.dedent("".join(lines))), start
    except (OSError, SyntaxError):  # no source, or a lambda in the middle of something
        return None, 0


def _closure(function: FunctionType) -> dict[str, Any]:
    found = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    return found


def _code_argument(call: ast.Call) -> ast.expr | None:
    given = [*call.args[:1], *(each.value for each in call.keywords if each.arg == "code")]
    return given[0] if given else None


def _codes(node: ast.expr | None, names: Mapping[str, Any]) -> set[str] | None:
    """The texts that an expression may evaluate to; None if that is unknown."""
    if isinstance(node, ast.IfExp):
        first, second = _codes(node.body, names), _codes(node.orelse, names)
        return None if first is None or second is None else first | second
    value = node.value if isinstance(node, ast.Constant) else _value(node, names)
    return {str.__str__(value)} if isinstance(value, str) else None


def _value(node: ast.expr | None, names: Mapping[str, Any]) -> object:
    """What a name, or a name of a module or enum, stands for; None if it is anything else."""
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.Attribute):
        owner = _value(node.value, names)
        return getattr(owner, node.attr, None) if isinstance(owner, ModuleType | type) else None
    return None
