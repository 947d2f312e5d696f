"""verbwire: commands, events and queries made real on Kafka.

Declare a receiver of commands with :class:`Aggregate` (or :class:`Job`), a table with :class:`Table`, what happens
because of events with :class:`Subscriber` and :class:`Process`; put messages in with ``verbwire.client.Client``.
Classes of messages come from ``verbwire schemas generate``. In the source, read `declarations.aggregate` first, then
`worker.run`.
"""

from verbwire.declarations.aggregate import Aggregate
from verbwire.declarations.context import Context, OutcomeContext
from verbwire.declarations.deadline import Deadline
from verbwire.declarations.effect_context import JobContext, SubscriberContext
from verbwire.declarations.expiring import Expiring, expiring
from verbwire.declarations.job import Job
from verbwire.declarations.later import Later, later
from verbwire.declarations.parking import Parking
from verbwire.declarations.process import Process
from verbwire.declarations.resource import Resource, resource
from verbwire.declarations.responder import Responder
from verbwire.declarations.rows import PageRequest, Rows
from verbwire.declarations.schedule import Schedule
from verbwire.declarations.subscriber import Subscriber
from verbwire.declarations.table import Table
from verbwire.declarations.tagged import Tagged, tagged
from verbwire.declarations.window import Window
from verbwire.messages import (
    Accepted,
    Command,
    Event,
    Expired,
    Failed,
    Outcome,
    Page,
    Query,
    Rejected,
    Reply,
    Row,
    State,
)
from verbwire.principal import Principal

__all__ = [
    "Accepted",
    "Aggregate",
    "Command",
    "Context",
    "Deadline",
    "Event",
    "Expired",
    "Expiring",
    "Failed",
    "Job",
    "JobContext",
    "Later",
    "Outcome",
    "OutcomeContext",
    "Page",
    "PageRequest",
    "Parking",
    "Principal",
    "Process",
    "Query",
    "Rejected",
    "Reply",
    "Resource",
    "Responder",
    "Row",
    "Rows",
    "Schedule",
    "State",
    "Subscriber",
    "SubscriberContext",
    "Table",
    "Tagged",
    "Window",
    "expiring",
    "later",
    "resource",
    "tagged",
]
