"""Reads the value of a setting: text out of the environment, or what TOML and flags have, as the setting's type."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NewType

import msgspec

from verbwire.errors import ConfigurationError

Size = NewType("Size", int)
"""In bytes; written with a unit, too: 64MB, 64MiB."""

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


def converted(type: Any, value: Any, where: str) -> Any:
    """Return a value as that type; :class:`ConfigurationError`, which names `where` it came from, if it is none."""
    if type == Mapping[str, str]:
        return _properties(value, where)
    read, name = _READERS.get(type, (_as_it_is, "value"))
    try:
        return msgspec.convert(read(value), type, strict=False)
    except (TypeError, ValueError) as error:  # msgspec's among them
        raise ConfigurationError(f"{where} is {value!r}, which is no {name}: {error}") from error


def _as_it_is(value: Any) -> Any:
    return value


def _words(value: Any) -> tuple[str, ...]:
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else tuple(map(str, value))


def _size(value: Any) -> int:
    """Read 67108864, "64MB" or "64 MiB"."""
    found = re.fullmatch(r"(\d+)\s*([A-Z]*)", str(value).strip().upper(), re.ASCII)
    if isinstance(value, bool) or found is None or found[2] not in _UNITS:
        raise TypeError("write bytes, or a number with MB or MiB behind it: 64MB")
    return int(found[1]) * _UNITS[found[2]]


_READERS: dict[Any, tuple[Callable[[Any], Any], str]] = {
    Size: (_size, "Size"),
    Path: (Path, "Path"),
    bool: (_as_it_is, "bool (true or false)"),
    int: (_as_it_is, "int"),
    str: (str, "str"),
    tuple[str, ...]: (_words, "tuple[str, ...]"),
}


def _properties(value: Any, where: str) -> dict[str, str]:
    """Read properties; an error does not repeat them, there may be a password among them."""
    wanted = ConfigurationError(f'{where} cannot be read: write name=value;name=value, {{"name": "value"}}, or a table')
    if isinstance(value, str) and value.lstrip().startswith("{"):  # where a value holds a semicolon
        try:
            value = json.loads(value)
        except ValueError:
            raise wanted from None
    if isinstance(value, Mapping):
        return {
            str(key): ";".join(map(str, each)) if isinstance(each, list) else str(each) for key, each in value.items()
        }
    pairs = [each.partition("=") for each in str(value).split(";") if each.strip()]
    if not all(sign for _, sign, _ in pairs):
        raise wanted
    names = [key.strip() for key, _, _ in pairs]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigurationError(f"{where} has {', '.join(twice)} twice: write it once")
    return {name: each for name, (_, _, each) in zip(names, pairs, strict=True)}
