"""The job of reminders: writes to members whose books are due, each letter once, however often it is tried."""

from __future__ import annotations

from verbwire import Job, JobContext
from verbwire.project import load_settings

from schemas.reminders import RemindMember

reminders = Job("library.reminders")


@reminders.handles
def remind(command: RemindMember, context: JobContext) -> None:
    """Leave the letter in the folder of what goes out; named by the reminder, so that a repeat is the same letter."""
    folder = load_settings().data_folder / "letters"
    folder.mkdir(parents=True, exist_ok=True)
    letter = folder / f"{command.loan_id}-{command.nth}.txt"
    letter.write_text(
        f"To {command.member_id}: book {command.book_id} was due on {command.due_at:%d %B %Y}. "
        f"Reminder {command.nth}.\n",
        encoding="utf-8",
    )
