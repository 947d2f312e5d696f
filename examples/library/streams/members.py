"""The table of members: who they are, and how many books each has."""

from __future__ import annotations

from msgspec.structs import replace
from verbwire import Table

from schemas.members import GetMember, LoanAdmitted, LoanReleased, MemberJoined, MemberRow, MembershipEnded

members = Table("library.members", row=MemberRow, answers=[GetMember])


@members.on
def joined(member: MemberRow | None, event: MemberJoined) -> MemberRow:
    """A member, without books."""
    return MemberRow(member_id=event.member_id, name=event.name)


@members.on
def ended(member: MemberRow, event: MembershipEnded) -> MemberRow:
    """No member any more."""
    return replace(member, active=False)


@members.on
def admitted(member: MemberRow, event: LoanAdmitted) -> MemberRow:
    """A book more."""
    return replace(member, books_out=member.books_out + 1)


@members.on
def released(member: MemberRow, event: LoanReleased) -> MemberRow:
    """A book less."""
    return replace(member, books_out=member.books_out - 1)
