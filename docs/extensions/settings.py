"""The table of settings: names, types and defaults of the class, and the comments that stand beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any, get_type_hints

from docs.extensions.comments import comments_in
from docs.extensions.markdown import table
from verbwire.setting_values import Size
from verbwire.settings import Settings

COLUMNS = ("setting", "variable", "type", "default", "says")
_BY_HAND = ("root", "sources", "generations")  # found, not set
_TYPES = {
    str: "text",
    int: "number",
    float: "number",
    bool: "true or false",
    Path: "path",
    Size: "size",
    tuple[str, ...]: "list",
    Mapping[str, str]: "table",
}


def page() -> str:
    """Return all settings as a table in markdown."""
    return table(COLUMNS, rows())


def rows() -> Iterator[tuple[str, ...]]:
    """Yield a line for each setting, in the order of the class."""
    types, said = get_type_hints(Settings), comments_in(Settings)
    for each in fields(Settings):
        if each.name not in _BY_HAND:
            variable = f"`VERBWIRE_{each.name.upper()}`"
            yield f"`{each.name}`", variable, _TYPES[types[each.name]], _default(each), said[each.name]


def _default(setting: Field[Any]) -> str:
    value = setting.default_factory() if setting.default_factory is not MISSING else setting.default
    shown = str(value).lower() if isinstance(value, bool) else value  # as TOML writes it
    return f"`{shown}`" if value or value == 0 else ""
