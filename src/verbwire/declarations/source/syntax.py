"""A form of source code that stays the same while its behaviour does: the syntax tree, without what is never run.

Comments, blank lines, positions, docstrings and the annotations of functions are left out. Written by ourselves, since
what `ast.dump` writes differs between versions of Python.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any, TypeAlias

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
Path: TypeAlias = tuple[str, ...]
"""A name and what is read off it: ``("rates", "VAT")`` for ``rates.VAT``."""

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_DEFINITIONS = (*_FUNCTIONS, ast.ClassDef)
_NOT_RUN = {(ast.arg, "annotation"), *((each, "returns") for each in _FUNCTIONS)}
_NO_MATTER = frozenset({"ctx", "kind", "type_comment"})
_REGISTERING = frozenset({"on", "handles", "applies", "rekeys", "outcome_of"})  # decorators of ours


def form(node: ast.AST) -> str:
    """Return the form of a statement or an expression; the name of a function or class itself is no part of it."""
    return _written(node, own_name=False)


def paths(node: ast.AST) -> list[Path]:
    """Return the names that it reads, in order, each once; those that a function binds itself are left out."""
    own = _locals(node) if isinstance(node, _FUNCTIONS) else set()
    return [path for path in dict.fromkeys(_paths(node)) if path[0] not in own]


def bound(statement: ast.stmt) -> set[str]:
    """Return the names to which a statement at the top of a module gives a meaning; an import's are not among them."""
    if isinstance(statement, _DEFINITIONS):
        return {statement.name}
    inner = [each.name for each in ast.walk(statement) if isinstance(each, _DEFINITIONS)]
    return {*inner, *_stored(statement)}


def first_line(node: Function) -> int:
    """Return the line at which Python says that a function begins: its first decorator's."""
    return min([node.lineno, *(each.lineno for each in node.decorator_list)])


def _written(node: Any, *, own_name: bool = True) -> str:
    if isinstance(node, ast.AST):
        inner = [f"{name}={_written(value)}" for name, value in _said(node) if own_name or name != "name"]
        return f"{type(node).__name__}({', '.join(inner)})"
    return f"[{', '.join(map(_written, node))}]" if isinstance(node, list) else repr(node)


def _said(node: ast.AST) -> Iterator[tuple[str, Any]]:
    """What a node is made of, as far as it matters."""
    for name, value in ast.iter_fields(node):
        if name == "body" and isinstance(node, _DEFINITIONS) and ast.get_docstring(node, clean=False) is not None:
            value = value[1:]
        if name == "decorator_list":
            value = [each for each in value if not _registers(each)]
        if isinstance(node, ast.JoinedStr):  # Python 3.12 ends some of them with a piece of no text
            value = [each for each in value if not (isinstance(each, ast.Constant) and each.value == "")]
        if value not in (None, []) and name not in _NO_MATTER and (type(node), name) not in _NOT_RUN:
            yield name, value


def _registers(decorator: ast.expr) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(called, ast.Attribute) and called.attr in _REGISTERING


def _paths(node: Any) -> Iterator[Path]:
    if path := _path(node):
        yield path
    elif isinstance(node, ast.AST):
        for _, value in _said(node):
            yield from _paths(value)
    elif isinstance(node, list):
        for each in node:
            yield from _paths(each)


def _path(node: Any) -> Path:
    if isinstance(node, ast.Name):
        return (node.id,) if isinstance(node.ctx, ast.Load) else ()
    before = _path(node.value) if isinstance(node, ast.Attribute) else ()
    return (*before, node.attr) if before else ()


def _locals(function: Function) -> set[str]:
    every = (*ast.walk(function.args), *(inner for each in function.body for inner in _same_scope(each)))
    return {each.arg for each in every if isinstance(each, ast.arg)} | {
        each.id for each in every if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
    }


def _same_scope(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    if not isinstance(node, (*_DEFINITIONS, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
        for each in ast.iter_child_nodes(node):
            yield from _same_scope(each)


def _stored(node: ast.AST) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)}
