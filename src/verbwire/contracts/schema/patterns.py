"""The regular expressions that a contract may hold: those that mean the same everywhere, and that end soon.

JSON Schema's ``pattern`` is of ECMA-262, and is searched for; Python, RE2 and Java read many expressions otherwise, and
an engine that backtracks is kept busy for hours by some of them. Allowed is what all of them agree on:

- characters, with ``\\`` before one that has a meaning of its own;
- classes, like ``[a-z_]`` and ``[^ ]``; not ``.``, ``\\d``, ``\\s`` or ``\\w``, which are other characters elsewhere;
- groups ``(...)`` with ``|`` inside;
- ``?``, ``*``, ``+`` and ``{m,n}`` behind any of these;
- ``^`` as the first and ``$`` as the last character.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeAlias

MAX_STEPS = 1_000_000  # of one search: some ten milliseconds
_MANY = 10**12
_MEANINGFUL = frozenset(r"\^$.|?*+()[]{}")
_ESCAPED = _MEANINGFUL | {"/"}
_SETS = ("&&", "||", "~~", "--")  # operations on classes, for some engines
_COUNTS = re.compile(r"\{([0-9]{1,4})(,?)([0-9]{0,4})\}", re.ASCII)

Characters: TypeAlias = frozenset[str]


class PatternError(ValueError):
    """An expression that is not allowed; the text says why, and what to write."""


def searcher(pattern: str) -> re.Pattern[str]:
    r"""Return an allowed pattern as Python spells it: Python's ``$`` would also stand before a last line feed."""
    body, ends = _without_end(pattern)
    return re.compile(rf"{body}\Z" if ends else body)


def require_pattern(pattern: str, longest: int) -> None:
    """Raise :class:`PatternError` for what is not allowed, or takes too long in a text of `longest` characters."""
    body, _ = _without_end(pattern)
    choice = _Parser(body.removeprefix("^")).parsed()
    starts = 1 if body.startswith("^") else longest + 1
    if starts * _Ways(longest).choice(choice, frozenset()) * min(longest, _length(choice)) > MAX_STEPS:
        raise PatternError(
            f"may take more than {MAX_STEPS:,} steps: begin it with ^, lower maxLength, or repeat only what differs "
            "from what follows it"
        )


def _without_end(pattern: str) -> tuple[str, bool]:
    body = pattern.removesuffix("$")
    is_escaped = (len(body) - len(body.rstrip("\\"))) % 2 == 1
    return (pattern, False) if body == pattern or is_escaped else (body, True)


@dataclass(frozen=True, slots=True)
class _Repeated:
    """A class of characters or a group, and how often it may stand."""

    what: Characters | Choice
    least: int
    most: int


Choice: TypeAlias = list[list[_Repeated]]


class _Parser:
    """Reads a pattern without its anchors, from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._all = frozenset(_alphabet(text))

    def parsed(self) -> Choice:
        found = self._choice()
        if self._at < len(self._text):
            raise PatternError("has a ) without its (")
        if len(found) > 1:
            raise PatternError("has a | outside of a group: put the choice into parentheses")
        return found

    def _choice(self) -> Choice:
        found: Choice = [[]]
        while (next_one := self._peek()) not in ("", ")"):
            if next_one == "|":
                self._at += 1
                found.append([])
            else:
                found[-1].append(self._repeated())
        return found

    def _repeated(self) -> _Repeated:
        letter = self._take()
        what: Characters | Choice
        if letter == "(":
            what = self._group()
        elif letter == "[":
            what = self._class()
        elif letter == "\\":
            what = frozenset(self._escaped())
        elif letter in _MEANINGFUL:
            raise PatternError(f"has a {letter} that says nothing here, or not the same everywhere: write \\{letter}")
        else:
            what = frozenset(letter)
        return _Repeated(what, *self._counts())

    def _group(self) -> Choice:
        if self._peek() == "?":
            raise PatternError("has a (? that is not the same everywhere: use plain groups (...)")
        found = self._choice()
        if self._take() != ")":
            raise PatternError("has a ( without its )")
        return found

    def _class(self) -> Characters:
        negated = self._peek() == "^"
        self._at += negated
        found: set[str] = set()
        while (letter := self._take()) != "]":
            if self._text.startswith(_SETS, self._at - 1):
                raise PatternError(f"has {letter}{letter} in a class, an operation for some engines: write it once")
            first = self._member(letter)
            if self._peek() != "-" or self._text[self._at + 1 : self._at + 2] == "]":
                found.add(first)
                continue
            self._at += 1
            last = self._member(self._take())
            if last < first:
                raise PatternError(f"has a range {first}-{last} that is the wrong way round")
            found |= {each for each in self._all if first <= each <= last}
        if not found:
            raise PatternError("has an empty class: write the characters between [ and ]")
        return self._all - found if negated else frozenset(found)

    def _member(self, letter: str) -> str:
        if letter == "\\":
            return self._escaped("-")
        if letter in ("[", ""):
            raise PatternError(f"has a class with a bare {letter}: write \\{letter}" if letter else "has a [ without ]")
        return letter

    def _escaped(self, more: str = "") -> str:
        letter = self._take()
        if letter not in _ESCAPED and (not more or letter != more):
            raise PatternError(f"has \\{letter}, which is not the same everywhere: spell it as a class, like [0-9]")
        return letter

    def _counts(self) -> tuple[int, int]:
        simple = {"?": (0, 1), "*": (0, _MANY), "+": (1, _MANY)}.get(self._peek())
        if simple is not None:
            self._at += 1
            found = simple
        elif counts := _COUNTS.match(self._text, self._at):
            self._at = counts.end()
            least = int(counts[1])
            found = (least, int(counts[3] or _MANY) if counts[2] else least)
            if found[1] < least or (counts[3] and not counts[2]):
                raise PatternError(f"has {counts[0]}, where the larger number comes first")
        else:
            return 1, 1
        if self._peek() in ("?", "*", "+", "{"):
            raise PatternError(f"repeats twice with {self._peek()}: use a group, or one of the two")
        return found

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _take(self) -> str:
        letter = self._peek()
        self._at += 1
        if letter > "\uffff":
            raise PatternError(f"has {letter!r}, which some engines take for two characters: leave it out")
        return letter


def _alphabet(text: str) -> Iterator[str]:
    """Enough characters to tell whether two classes of the text have one in common."""
    yield from map(chr, range(128))
    for letter in text:
        yield from (chr(code) for code in range(ord(letter) - 1, ord(letter) + 2) if 0 <= code <= 0x10FFFF)


@dataclass(frozen=True)
class _Ways:
    """In how many ways a text of `longest` characters is tried at most, from one place of it, before it is given up.

    One where each next character says how to go on: that is not tried in another way.
    """

    longest: int

    def choice(self, choice: Choice, follow: Characters) -> int:
        """Ways of one of several; `follow` are the characters that may stand behind it."""
        ways = [self._sequence(each, follow) for each in choice]
        if max(ways) == 1 and not _overlap([_first(each, follow) for each in choice]):
            return 1
        return min(sum(ways), _MANY)

    def _sequence(self, sequence: Sequence[_Repeated], follow: Characters) -> int:
        ways = 1
        for number, each in enumerate(sequence):
            ways *= self._repeated(each, _first(sequence[number + 1 :], follow))
        return min(ways, _MANY)

    def _repeated(self, each: _Repeated, follow: Characters) -> int:
        first = _first_of(each)
        times = min(each.most, self.longest + 1) - min(each.least, self.longest) + 1
        ways = times if first & follow else 1
        if isinstance(each.what, frozenset):
            return ways
        inner = self.choice(each.what, (first | follow) if each.most > 1 else follow)
        if inner > 1 and each.most > 1:
            raise PatternError("repeats a group that can match one text in several ways: repeat a class instead")
        return min(ways * inner, _MANY)


def _length(choice: Choice) -> int:
    """How long a text is at most that it matches, or begins to."""
    return max(
        sum(each.most * (1 if isinstance(each.what, frozenset) else _length(each.what)) for each in sequence)
        for sequence in choice
    )


def _first(sequence: Sequence[_Repeated], follow: Characters) -> Characters:
    """The characters with which a sequence, or what follows it, may begin."""
    found: Characters = frozenset()
    for each in sequence:
        found |= _first_of(each)
        if each.least and not _may_be_empty(each.what):
            return found
    return found | follow


def _first_of(each: _Repeated) -> Characters:
    if isinstance(each.what, frozenset):
        return each.what
    return frozenset().union(*(_first(sequence, frozenset()) for sequence in each.what))


def _may_be_empty(what: Characters | Choice) -> bool:
    if isinstance(what, frozenset):
        return False
    return any(all(not each.least or _may_be_empty(each.what) for each in sequence) for sequence in what)


def _overlap(sets: Sequence[Characters]) -> bool:
    return any(first & second for first, second in combinations(sets, 2))
