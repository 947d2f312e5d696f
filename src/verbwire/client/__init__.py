"""The client: publishes events, sends and asks commands, asks queries.

``from verbwire.client import Client``. `producing` writes to Kafka, `asking` waits for the outcomes of commands,
`querying` asks workers over HTTP, `base` is what all three share. Read `client` first.
"""

from verbwire.client.asking.handle import CommandHandle
from verbwire.client.base.connection import Connection
from verbwire.client.client import Client
from verbwire.client.producing.ack import Ack, Position
from verbwire.client.querying.result import QueryResult
from verbwire.messages import Page
from verbwire.principal import Principal

__all__ = ["Ack", "Client", "CommandHandle", "Connection", "Page", "Position", "Principal", "QueryResult"]
