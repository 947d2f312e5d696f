"""verbwire: commands, events and queries made real on Kafka.

Declare a receiver of commands with :class:`Aggregate`, a table with :class:`Table`; put messages in with
``verbwire.sdk.Client``. Classes of messages come from ``verbwire schemas generate``.
"""

from verbwire.declarations.aggregate import Aggregate
from verbwire.declarations.context import Context
from verbwire.declarations.table import Table
from verbwire.messages import Accepted, Command, Event, Expired, Failed, Outcome, Query, Rejected, Row

__all__ = [
    "Accepted",
    "Aggregate",
    "Command",
    "Context",
    "Event",
    "Expired",
    "Failed",
    "Outcome",
    "Query",
    "Rejected",
    "Row",
    "Table",
]
