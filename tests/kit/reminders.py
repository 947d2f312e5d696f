"""The receiver of reminders in the library of `tests.kit.cli`: what a process of a test sends its commands to."""

from __future__ import annotations

from tests.kit.contract_projects import record

REMIND = record(
    "RemindReader", {"loan_id": "string"}, namespace="library.reminders", kind="command", key="loan_id", requires=[]
)
REMINDED = record("ReaderReminded", {"loan_id": "string"}, namespace="library.reminders", kind="event", key="loan_id")
REMINDERS = record("ReminderState", {"loan_id": "string"}, namespace="library.reminders", kind="state", key="loan_id")
FILE = "consumers/reminders.py"
CODE = """
from schemas.reminders import ReaderReminded, ReminderState, RemindReader
from verbwire import Aggregate

reminders = Aggregate("library.reminders", state=ReminderState)


@reminders.handles
def remind(command: RemindReader, state: ReminderState | None) -> ReaderReminded:
    return ReaderReminded(loan_id=command.loan_id)


@reminders.applies
def reminded(state: ReminderState | None, event: ReaderReminded) -> ReminderState:
    return ReminderState(loan_id=event.loan_id)
"""
