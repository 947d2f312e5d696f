"""The producing side: ``from verbwire.sdk import Client``."""

from verbwire.sdk.ack import Ack, Position
from verbwire.sdk.client import Client
from verbwire.sdk.connection import Connection, Identity

__all__ = ["Ack", "Client", "Connection", "Identity", "Position"]
