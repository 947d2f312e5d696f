"""The tree of errors, where code that catches wide relies on it."""

from __future__ import annotations

import pytest

from verbwire.errors import ClosedError, OutcomeUnknownError, Requeue, UnavailableError, VerbwireError


def test_what_is_retryable_may_be_there_another_time() -> None:
    assert not issubclass(ClosedError, UnavailableError), "a closed client stays closed"
    assert issubclass(OutcomeUnknownError, UnavailableError)


def test_a_handler_that_catches_everything_does_not_swallow_the_signal() -> None:
    def handler() -> str:
        try:
            raise Requeue("d1 is requeued")
        except Exception:  # noqa: BLE001 (as a user may write it around an effect)
            return "done"

    with pytest.raises(Requeue):
        handler()
    assert not issubclass(Requeue, VerbwireError)
