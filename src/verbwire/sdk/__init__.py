"""The side of whoever puts messages in: ``from verbwire.sdk import Client``."""

from verbwire.sdk.ack import Ack, Position
from verbwire.sdk.client import Client
from verbwire.sdk.connection import Connection, Identity
from verbwire.sdk.pending import Pending

__all__ = ["Ack", "Client", "Connection", "Identity", "Pending", "Position"]
