"""The options by which dead letters are chosen: written once, for every command that takes them as `where`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_type_hints

import typer

if TYPE_CHECKING:
    from verbwire.dead_letters.selection import LetterFilter

F = TypeVar("F", bound=Callable[..., Any])
_Text = str | None
_OPTIONS: dict[str, Any] = {
    "of_type": Annotated[_Text, typer.Option("--type", help="Those of a contract: its full name, or the end of it.")],
    "reason": Annotated[_Text, typer.Option("--reason", help="Those of a reason, like failed or undecodable.")],
    "key": Annotated[_Text, typer.Option("--key", help="Those of a record's key.")],
    "since": Annotated[
        _Text, typer.Option("--since", help="Since so long ago (-90s, -1h, -2d), or a time with its zone.")
    ],
    "until": Annotated[_Text, typer.Option("--until", help="Until then, written likewise.")],
    "text": Annotated[_Text, typer.Option("--text", help="Those whose detail, or traceback, holds this text.")],
}


def filtered(function: F) -> F:
    """Give a command these options in the place of its parameter `where`, which gets the filter that they are."""
    signature, hints = (
        inspect.signature(function),
        get_type_hints(function, {**function.__globals__, **_late()}, include_extras=True),
    )
    parameters: list[inspect.Parameter] = []
    for each in signature.parameters.values():
        if each.name == "where":
            parameters += [_option(name, kind) for name, kind in _OPTIONS.items()]
        else:
            parameters.append(each.replace(annotation=hints[each.name]))

    @functools.wraps(function)
    def command(**given: Any) -> Any:
        said = {name: given.pop(name) for name in _OPTIONS}
        return function(**given, where=_filter(**said))

    ordered = sorted(parameters, key=lambda each: each.default is not inspect.Parameter.empty)
    command.__signature__ = signature.replace(parameters=ordered, return_annotation=None)  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in ordered}
    return command  # type: ignore[return-value]  # typer reads its signature


def _option(name: str, kind: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None, annotation=kind)


def _late() -> dict[str, Any]:
    """What annotations name that is imported for type checkers alone."""
    return {"LetterFilter": object}


def _filter(
    of_type: str | None, reason: str | None, key: str | None, since: str | None, until: str | None, text: str | None
) -> LetterFilter:
    from verbwire.dead_letters.selection import LetterFilter
    from verbwire.inspection.reading.times import milliseconds_of

    begin = None if since is None else milliseconds_of(since, "--since")
    end = None if until is None else milliseconds_of(until, "--until")
    return LetterFilter(of_type, reason, key, begin, end, text)
