"""Python source for docs and values, spelled as `ruff format` would spell them."""

from __future__ import annotations

import datetime
import textwrap
from decimal import Decimal
from uuid import UUID

LINE = 120  # the line length of a project's ruff configuration
_TEXT_WIDTH = 110


def text_literal(value: str) -> str:
    """A string literal, in double quotes unless single ones need fewer escapes."""
    quote = "'" if value.count('"') > value.count("'") else '"'
    escaped = "".join("\\" + each if each in ("\\", quote) else _visible(each) for each in value)
    return quote + escaped + quote


def bytes_literal(value: bytes) -> str:
    """A bytes literal; what is not printable ASCII as ``\\x..``."""
    quote = "'" if value.count(b'"') > value.count(b"'") else '"'
    parts = [
        "\\" + chr(each) if chr(each) in ("\\", quote) else chr(each) if 32 <= each < 127 else f"\\x{each:02x}"
        for each in value
    ]
    return f"b{quote}{''.join(parts)}{quote}"


def value_literal(value: object) -> str:
    """A literal of a plain value: None, a boolean, number, text or bytes."""
    if isinstance(value, str):
        return text_literal(value)
    if isinstance(value, bytes):
        return bytes_literal(value)
    return repr(value).replace("e+", "e")


def constructor_arguments(value: UUID | Decimal | datetime.date | datetime.time, utc: str) -> str:
    """The arguments that build the value again; `utc` is how the time zone is spelled where it is used."""
    if isinstance(value, UUID | Decimal):
        return f'("{value}")'
    if isinstance(value, datetime.datetime | datetime.time):
        parts = [value.hour, value.minute, value.second, value.microsecond]
        while parts and not parts[-1]:
            parts.pop()
        if isinstance(value, datetime.datetime):
            parts = [value.year, value.month, value.day, *parts]
        zone = [f"tzinfo={utc}"] if value.tzinfo else []
        return f"({', '.join([*map(str, parts), *zone])})"
    return f"({value.year}, {value.month}, {value.day})"


def docstring(text: str, indent: str) -> list[str]:
    """The lines of a docstring: on one line if it fits, else with the closing quotes on a line of their own."""
    lines = [
        part
        for line in text.expandtabs(4).strip().splitlines()
        for part in (textwrap.wrap(line, _TEXT_WIDTH, break_long_words=False, break_on_hyphens=False) or [""])
    ]
    lines = [_in_docstring(line) for line in lines]
    if len(lines) == 1:
        space = " " if lines[0].endswith('"') else ""
        return [f'{indent}"""{lines[0]}{space}"""']
    return [f'{indent}"""{lines[0]}', *(f"{indent}{line}".rstrip() for line in lines[1:]), f'{indent}"""']


def _in_docstring(line: str) -> str:
    escaped = line.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    return "".join(each if each == "\\" else _visible(each) for each in escaped)


def _visible(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode()
