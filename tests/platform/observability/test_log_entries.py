"""A log in which every entry begins a line and nothing else does, whatever records and headers hold."""

from __future__ import annotations

import logging
import re
import sys

from hypothesis import given
from hypothesis import strategies as st

from verbwire.observability.escaping import escaped, escaped_lines
from verbwire.observability.log_entries import OneEntry

FORGED = "id\n2026-11-28 09:00:00,000 ERROR   verbwire: all is lost\r\x1b[2J\x9b2J\u202e"


def entry(message: str, *args: object, broken: bool = False) -> str:
    info = None
    if broken:
        try:
            raise ValueError(FORGED)
        except ValueError:
            info = sys.exc_info()
    return OneEntry().format(logging.LogRecord("verbwire.x", logging.WARNING, "", 0, message, args, info))


def begins(line: str) -> bool:
    return re.match(r"\d{4}-\d\d-\d\d ", line) is not None


def test_a_record_forges_no_entry_and_steers_no_terminal() -> None:
    for text in (entry("%s goes to the dead letters", FORGED), entry("it broke", broken=True)):
        first, *rest = text.split("\n")
        assert begins(first)
        assert rest
        assert not any(begins(line) for line in rest)
        assert all(line.startswith("    ") for line in rest)
        assert all(line.isprintable() for line in text.split("\n"))
    assert r"all is lost\r\x1b[2J\x9b2J\u202e" in entry("%s", FORGED)


def test_passwords_are_not_in_the_log() -> None:
    said = entry("GET %s", "https://ann:p@ss@registry.example/subjects?token=abcdef")
    assert said.endswith("GET https://***@registry.example/subjects?token=***")


@given(st.text())
def test_escaped_text_is_one_line_that_a_terminal_only_prints(text: str) -> None:
    assert escaped(text).isprintable()
    assert escaped(escaped(text)) == escaped(text)
    assert all(line.isprintable() for line in escaped_lines(text).split("\n"))
    assert escaped_lines(text).count("\n") == text.count("\n")
    escaped(text).encode()
