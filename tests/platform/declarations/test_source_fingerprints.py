"""Fingerprints of code: the same for what does the same, another where something that a handler reaches is other."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from verbwire.declarations.source import syntax
from verbwire.declarations.source.fingerprints import SourceUnavailableError, fingerprint, of_text
from verbwire.declarations.source.modules import ModuleSources

HANDLERS = '''
from shop.rates import VAT, gross
from shop import rules
import shop.rules as also

LIMIT = 3
UNUSED = 4
BY_HOW = {"gross": gross}


class Discount:
    rate = 5

    def of(self, pence):
        return pence * self.rate


def helper(pence):
    return pence + LIMIT


@jars.on
@rules.logged
def put(row, event):
    """Put it."""
    pence = helper(event.pence)
    return pence + VAT + rules.least(pence) + also.most(pence) + Discount().of(pence) + BY_HOW["gross"](pence)
'''
RATES = (
    "VAT = 19\nOTHER = 7\n\n\ndef gross(pence):\n    return pence + deep(pence)\n\n\ndef deep(pence):\n    return 1\n"
)
RULES = """
from .rates import OTHER as LEAST


def logged(function):
    return function


def least(pence):
    return LEAST


def most(pence):
    return 9
"""
PROJECT = {"shop/__init__.py": "", "shop/handlers.py": HANDLERS, "shop/rates.py": RATES, "shop/rules.py": RULES}
NOTHING_CHANGES: dict[str, tuple[str, str, str]] = {
    "a comment": ("handlers", "LIMIT = 3", "LIMIT = 3  # so many\n"),
    "a docstring": ("handlers", "Put it.", "Put something into it."),
    "no docstring": ("handlers", '    """Put it."""\n', ""),
    "the layout": ("handlers", "helper(event.pence)", "helper(\n        event.pence,\n    )"),
    "annotations": ("handlers", "def put(row, event):", "def put(row: int | None, event: str) -> int:"),
    "the name of the handler": ("handlers", "def put(", "def was_put("),
    "the name of the table": ("handlers", "@jars.on", "@cans.on"),
    "what is not reached": ("handlers", "UNUSED = 4", "UNUSED = 5"),
    "a place further down": ("handlers", "UNUSED = 4", "UNUSED = 4\n\n\ndef another():\n    return 1"),
}
SOMETHING_CHANGES: dict[str, tuple[str, str, str]] = {
    "the handler": ("handlers", "pence = helper", "pence = 2 * helper"),
    "a helper": ("handlers", "return pence + LIMIT", "return pence - LIMIT"),
    "a constant of a helper": ("handlers", "LIMIT = 3", "LIMIT = 4"),
    "a constant of another module": ("rates", "VAT = 19", "VAT = 20"),
    "a helper behind a helper of another module": ("rates", "return 1", "return 2"),
    "a constant under another name, imported relatively": ("rates", "OTHER = 7", "OTHER = 8"),
    "what is read off a module": ("rules", "return LEAST", "return LEAST + 1"),
    "what is read off a module under another name": ("rules", "return 9", "return 10"),
    "a class": ("handlers", "rate = 5", "rate = 6"),
    "a table of functions": ("handlers", '{"gross": gross}', '{"gross": gross, "net": gross}'),
    "a decorator that is not ours": ("rules", "return function", "return lambda *given: function(*given)"),
}


class Jars:
    """Registers nothing."""

    def on(self, function: Any) -> Any:
        return function


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """The fingerprint of the handler in a project in which some text of one module was replaced."""
    jars = Jars()

    def fingerprint_of(module: str = "", old: str = "", new: str = "") -> str:
        for file, text in PROJECT.items():
            path = tmp_path / file
            path.parent.mkdir(exist_ok=True)
            changed = Path(file).stem == module
            assert not changed or old in text, f"{old!r} is not in {file}"
            path.write_text(text.replace(old, new) if changed else text)
        for name in [each for each in sys.modules if each.partition(".")[0] == "shop"]:
            del sys.modules[name]
        importlib.invalidate_caches()
        handlers = importlib.import_module("shop.handlers")
        return fingerprint(getattr(handlers, "was_put", None) or handlers.put, ModuleSources(tmp_path))

    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr("builtins.jars", jars, raising=False)
    monkeypatch.setattr("builtins.cans", jars, raising=False)
    with pytest.MonkeyPatch.context() as kept:
        kept.delitem(sys.modules, "shop", raising=False)
        yield fingerprint_of
        for name in [each for each in sys.modules if each.partition(".")[0] == "shop"]:
            del sys.modules[name]


@pytest.mark.parametrize("what", NOTHING_CHANGES)
def test_a_fingerprint_ignores_code_that_is_not_run(read: Callable[..., str], what: str) -> None:
    assert read(*NOTHING_CHANGES[what]) == read()


@pytest.mark.parametrize("what", SOMETHING_CHANGES)
def test_a_fingerprint_covers_what_a_handler_reaches(read: Callable[..., str], what: str) -> None:
    assert read(*SOMETHING_CHANGES[what]) != read()


def test_a_fingerprint_covers_what_closures_hold() -> None:
    sources = ModuleSources(Path(__file__).parent)

    def made(rate: int, how: Callable[[int], int]) -> Any:
        def handler(row: Any, event: int) -> int:
            return how(event) * rate

        return handler

    def twice(number: int) -> int:
        return 2 * number

    def thrice(number: int) -> int:
        return 3 * number

    assert fingerprint(made(1, twice), sources) == fingerprint(made(1, twice), sources)
    assert len({fingerprint(made(*each), sources) for each in ((1, twice), (2, twice), (1, thrice))}) == 3


def recursive(number: int) -> int:
    return number and mutual(number - 1)


def mutual(number: int) -> int:
    return number and recursive(number - 1)


def test_functions_that_call_each_other_have_fingerprints() -> None:
    sources = ModuleSources(Path(__file__).parent)
    assert fingerprint(recursive, sources) != fingerprint(mutual, sources)
    assert len(fingerprint(recursive, sources)) == len(of_text("")) == 8


def test_code_without_a_source_has_none() -> None:
    """As in an interactive session, or where the file has changed since it was imported."""
    sources = ModuleSources(Path(__file__).parent)
    space: dict[str, Any] = {"__name__": "__nowhere__"}
    elsewhere: dict[str, Any] = {"__name__": __name__}
    for names in (space, elsewhere):
        exec("def handler(row, event):\n    return row", names)  # noqa: S102 (as such a session does)
    for function in (space["handler"], elsewhere["handler"], len, Path.exists):
        with pytest.raises(SourceUnavailableError):
            fingerprint(function, sources)


def test_a_fingerprint_is_the_same_in_every_python() -> None:
    """A literal: who changes it lets every table of every user believe that it was folded by other code."""
    text = '''
@outer
async def handler(row, /, event: int = 1, *rest, key=None, **more) -> None:
    """Doc."""
    match event:
        case {"a": [1, *_]} | str() as found if found:
            return f"{row!r:>{key}}" + b"x".decode()
    try:
        async with more as opened:
            rest = [each async for each in opened if (n := each) < 0x10 < 1e3 < 1j]
    except* (ValueError, TypeError) as error:
        raise RuntimeError from error
    else:
        x: int = lambda a, b=2: a @ b
    return {**more, "k": {*rest}, ...: x[1:2, ::3]} if not x else None
'''
    assert of_text(syntax.form(ast.parse(text).body[0])) == "fd6e16ce"
