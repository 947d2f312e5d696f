"""The aggregate of members: who may have a book more. Three at once is the limit."""

from __future__ import annotations

from msgspec.structs import replace
from verbwire import Aggregate, Rejected

from schemas.members import (
    AdmitLoan,
    EndMembership,
    JoinLibrary,
    LoanAdmitted,
    LoanReleased,
    MemberJoined,
    MembershipEnded,
    MemberState,
    ReleaseLoan,
)

members = Aggregate("library.members", state=MemberState)

LIMIT = 3  # books at once


@members.handles
def join(command: JoinLibrary, member: MemberState | None) -> MemberJoined | Rejected:
    """Take a member, also one whose membership has ended."""
    if member is not None and member.active:
        return Rejected("joined_already", f"{command.member_id} is a member")
    return MemberJoined(member_id=command.member_id, name=command.name)


@members.handles
def end(command: EndMembership, member: MemberState | None) -> MembershipEnded | Rejected:
    """Let a member go who has no books."""
    if member is None or not member.active:
        return Rejected("no_member", f"{command.member_id} is no member")
    if member.loans:
        return Rejected("books_out", f"{command.member_id} has {len(member.loans)} books")
    return MembershipEnded(member_id=member.member_id)


@members.handles
def admit(command: AdmitLoan, member: MemberState | None) -> LoanAdmitted | Rejected:
    """Count one of three books."""
    if member is None or not member.active:
        return Rejected("no_member", f"{command.member_id} is no member")
    if len(member.loans) >= LIMIT:
        return Rejected("limit_reached", f"{command.member_id} has {len(member.loans)} books, {LIMIT} are the most")
    return LoanAdmitted(member_id=member.member_id, loan_id=command.loan_id)


@members.handles
def release(command: ReleaseLoan, member: MemberState | None) -> LoanReleased | Rejected:
    """Count a book less."""
    if member is None or command.loan_id not in member.loans:
        return Rejected("not_counted", f"loan {command.loan_id} is none of {command.member_id}'s")
    return LoanReleased(member_id=member.member_id, loan_id=command.loan_id)


@members.applies
def joined(member: MemberState | None, event: MemberJoined) -> MemberState:
    """A member, without books."""
    return MemberState(member_id=event.member_id)


@members.applies
def ended(member: MemberState, event: MembershipEnded) -> MemberState:
    """No member any more."""
    return replace(member, active=False)


@members.applies
def admitted(member: MemberState, event: LoanAdmitted) -> MemberState:
    """A book more."""
    return replace(member, loans=(*member.loans, event.loan_id))


@members.applies
def released(member: MemberState, event: LoanReleased) -> MemberState:
    """A book less."""
    return replace(member, loans=tuple(each for each in member.loans if each != event.loan_id))
