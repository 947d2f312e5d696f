"""The side of whoever puts messages in: ``from verbwire.sdk import Client``."""

from verbwire.sdk.ack import Ack, Position
from verbwire.sdk.answer import Answer, Page
from verbwire.sdk.client import Client
from verbwire.sdk.connection import Connection, Identity
from verbwire.sdk.pending import Pending

__all__ = ["Ack", "Answer", "Client", "Connection", "Identity", "Page", "Pending", "Position"]
