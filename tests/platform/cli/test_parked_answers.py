"""What ``verbwire parked retry`` and ``skip`` say of what became of it, and with what they end."""

from __future__ import annotations

import pytest
import typer

from verbwire.cli.exit_codes import Exit
from verbwire.cli.parked import _tell
from verbwire.parking.desk import ParkedAnswer

NO_JAR = {"a": "coins_put raised RuntimeError: no such jar"}


def told(capsys: pytest.CaptureFixture[str], answered: ParkedAnswer, **more: bool) -> tuple[int, str]:
    status = 0
    try:
        _tell("bank.jars", answered, as_json=False, **more)
    except typer.Exit as end:
        status = end.exit_code
    return status, capsys.readouterr().out


def test_parked_keys_that_are_handled_end_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, ParkedAnswer(1, ["a"])) == (Exit.DONE, "bank.jars: 1 of 1 keys are parked no more\n")


def test_parked_keys_that_cannot_be_handled_still_end_with_4_and_the_next_step(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status, said = told(capsys, ParkedAnswer(2, ["b"], NO_JAR))
    assert status == Exit.REFUSED
    assert "still parked: a: coins_put raised" in said
    assert "`verbwire parked show bank.jars KEY`" in said


def test_a_parked_key_whose_first_record_was_skipped_says_so_though_the_next_is_parked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status, said = told(capsys, ParkedAnswer(1, parked=NO_JAR), given_up=True)
    assert status == Exit.REFUSED
    assert "its first record is a dead letter, the next is parked: a: coins_put raised" in said


def test_parked_keys_that_nobody_has_seen_to_end_with_3(capsys: pytest.CaptureFixture[str]) -> None:
    status, said = told(capsys, ParkedAnswer(1, waiting=["a"]))
    assert (status, "is the group's worker running?" in said) == (Exit.UNAVAILABLE, True)
