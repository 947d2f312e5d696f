"""The comments that stand beside the fields of a class."""

from __future__ import annotations

import ast
import inspect
import io
import tokenize


def comments_in(described: type) -> dict[str, str]:
    """Return what the comments of a class say about each of its fields or members, under their names."""
    source = inspect.getsource(described)
    told = {
        token.start[0]: token.string.lstrip("# ")
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    (defined,) = (node for node in ast.parse(source).body if isinstance(node, ast.ClassDef))
    ends = [node.lineno for node in defined.body[1:]] + [source.count("\n") + 1]
    return {
        name: " ".join(told[line] for line in range(node.lineno, end) if line in told)
        for node, end in zip(defined.body, ends, strict=True)
        for name in _names(node)
    }


def _names(node: ast.stmt) -> list[str]:
    targets = [node.target] if isinstance(node, ast.AnnAssign) else node.targets if isinstance(node, ast.Assign) else []
    return [each.id for each in targets if isinstance(each, ast.Name)]
