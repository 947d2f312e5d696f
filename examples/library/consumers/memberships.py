"""The subscriber of memberships: each is for a year, so what ends it is sent at once, to be delivered then.

Nothing runs and nothing polls meanwhile; `verbwire scheduled list library.members` shows what is pending. A member who
still has books on that day is refused to be let go, and found by ``verbwire tail`` among the rejections.
"""

from __future__ import annotations

from datetime import timedelta

from verbwire import Subscriber, SubscriberContext

from schemas.members import EndMembership, MemberJoined

YEAR = timedelta(days=365)

memberships = Subscriber("library.memberships", sends=[EndMembership], scopes=["members:write"])


@memberships.on
def joined(event: MemberJoined, context: SubscriberContext) -> None:
    """Let the membership end in a year, counted from the day of joining, however late this is handled."""
    context.send(EndMembership(member_id=event.member_id), at=context.time + YEAR)
