"""Kafka and a schema registry without Docker and without an installed Java: ordinary processes, data in a folder.

::

    with Stack(Path(".verbwire/stack")) as stack:
        print(stack.bootstrap, stack.registry_url)

Another process of the same project finds them with ``running_stack(folder)``.
"""

from __future__ import annotations

from verbwire.embedded.java import java_command
from verbwire.embedded.stack import Stack
from verbwire.embedded.state import Addresses, running_stack

__all__ = ["Addresses", "Stack", "java_command", "running_stack"]
