"""What is wrong with a contract, and where: every check yields these, so that one run shows all of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path


@dataclass(frozen=True, slots=True)
class SchemaPlace:
    """A file, and inside it the path of a field (``products[].quantity``) or the name of an attribute."""

    file: Path
    field: str = ""
    attribute: str = ""

    def at_field(self, name: str) -> SchemaPlace:
        """The place of a field of the record that is here."""
        return replace(self, field=f"{self.field}.{name}" if self.field else name)

    def inside(self) -> SchemaPlace:
        """The place of the items of the array, or of the values of the map, that is here."""
        return replace(self, field=f"{self.field}[]")

    def at(self, attribute: str) -> SchemaPlace:
        """The place of an attribute of what is here."""
        return replace(self, attribute=attribute)

    def problem(self, text: str) -> ContractProblem:
        """Say what is wrong here, and what to do about it."""
        return ContractProblem(self, text)


@dataclass(frozen=True, slots=True)
class ContractProblem:
    """One thing to mend in a contract."""

    place: SchemaPlace
    text: str

    @property
    def message(self) -> str:
        """The field or attribute and what is wrong with it; the file is told apart."""
        where = [f"field {self.place.field}"] if self.place.field else []
        where += [f'"{self.place.attribute}"'] if self.place.attribute else []
        return f"{', '.join(where)}: {self.text}" if where else self.text

    def __str__(self) -> str:
        return f"{self.place.file}: {self.message}"


def unique(problems: Iterable[ContractProblem]) -> list[ContractProblem]:
    """Each problem once, by file: a type that several messages use is complained about once."""
    return sorted(dict.fromkeys(problems), key=lambda each: str(each.place.file))


def near(word: str, known: Iterable[str]) -> str:
    """Return ``did you mean 'x'? `` if one of the known words is spelled nearly so, else nothing."""
    found = get_close_matches(word, [str(each) for each in known], n=1, cutoff=0.6)
    return f"did you mean {found[0]!r}? " if found else ""
