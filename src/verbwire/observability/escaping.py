"""Escapes text of others for display: it controls no terminal and begins no line of a log (CWE-117, CWE-150)."""

from __future__ import annotations


def escaped(text: str) -> str:
    """Return the text as one line, with everything that is not seen spelled out as Python does.

    That is what steers a terminal (C0 and C1 controls, and with them ANSI's escapes), what turns the order of letters
    round (bidi controls), what takes no room or breaks lines, and surrogates, which no encoding takes.
    """
    return text if text.isprintable() else "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def escaped_lines(text: str, indent: str = "") -> str:
    """Return the same line by line; those after the first begin with `indent`."""
    return f"\n{indent}".join(escaped(line.expandtabs(4)) for line in text.split("\n"))
