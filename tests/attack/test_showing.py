"""What strangers put into records, headers and addresses, as the log and the command line show it."""

from __future__ import annotations

import logging
import random
import re
import string

import pytest

from tests.attack.trying import tried
from verbwire.cli.output import print_error, print_table
from verbwire.observability.log_entries import OneEntry
from verbwire.redaction import shown_address, without_secrets

pytestmark = pytest.mark.attack

NASTY = [
    *map(chr, (*range(32), *range(127, 160))),
    *"\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200b\u200e\u200f\u2028\u2029\ufeff\ud800\udfff",
    *(
        "\x1b[2J",
        "\x1b]0;owned\x07",
        "\x9b31m",
        "[bold red]",
        "[/]",
        "\n2026-11-28 09:00:00,000 ERROR   verbwire: forged",
    ),
    *string.printable,
]
PASSWORD = [each for each in string.printable if not each.isspace()]
STARTS_AN_ENTRY = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} ")


def test_records_that_would_steer_a_terminal_or_forge_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    chance, formatter = random.Random(9), OneEntry()  # noqa: S311 (repeatable)
    with tried("texts of control characters, bidi marks, markup and forged entries, shown and logged") as t:
        for _ in range(20_000):
            text = "".join(chance.choices(NASTY, k=chance.randrange(1, 40)))
            logged = formatter.format(logging.LogRecord("verbwire", logging.ERROR, "", 0, "%s", (text,), None))
            first, *rest = logged.split("\n")
            assert STARTS_AN_ENTRY.match(first)
            assert all(line.startswith("    ") for line in rest)
            print_table(["id", "type"], [[text, "x"]])
            print_error(text)
            out, err = capsys.readouterr()
            assert out.count("\n") == 2
            assert all(line.isprintable() for line in (out + err + logged).split("\n"))
            (out + err + logged).encode()
            t.inputs += 3


def test_passwords_in_addresses() -> None:
    chance = random.Random(9)  # noqa: S311 (repeatable)
    with tried("passwords of any character in addresses, lists of them, and texts that quote them") as t:
        for _ in range(50_000):
            secret = "".join(chance.choices(PASSWORD, k=12))
            scheme = chance.choice(["", "http://", "https://", "SASL_SSL://"])
            address = f"{scheme}ann:{secret}@host:9092"
            assert shown_address(address) == f"{scheme}***@host:9092"
            assert secret not in shown_address(f"{address},{address}")
            assert secret not in without_secrets(f"broker {address} is down, so is {address}")
            t.inputs += 3
